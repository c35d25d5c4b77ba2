"""What images are, compared across engines; the commands that build, send and load them; what a registry's no means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.compose.project import Build, Project, Service
from opslib.images.build import pull_command, pull_failed, tag_command, to_build, to_pull
from opslib.images.info import images_command, parse_image, parse_images, with_tag
from opslib.images.revision import Revision
from opslib.images.ship import missing
from opslib.images.stream import load_command, save_command
from opslib.images.tools import build_command as build_tools
from opslib.images.tools import recipe, tools_tag
from opslib.settings.model import Host

HOST = Host(name="p", path="x")
SUDO = Host(name="p", path="x", docker=("sudo", "-n", "docker"))
BUILT = Build("/srv/app/api", "Dockerfile")
PROJECT = Project(
    "shop",
    {
        "api": Service("api", "shop-api", build=BUILT),
        "worker": Service("worker", "shop-api"),
        "db": Service("db", "postgres:15"),
        "db2": Service("db2", "postgres:15"),
        "cache": Service("cache", "redis:7"),
    },
    root="/srv/app",
    files=("a.yml",),
)
COMPOSE = "compose --project-name shop --project-directory /srv/app --file /srv/app/a.yml --ansi never"


def inspected(id: str = "sha256:1", layers: tuple[str, ...] = ("sha256:a",), **config: Any) -> dict[str, Any]:
    return {
        "Id": id, "Size": 10, "Architecture": "amd64", "Os": "linux", "RootFS": {"Layers": list(layers)},
        "Config": {"Env": ["A=1"], "Cmd": ["serve"], **config}, "RepoDigests": [],
    }  # fmt: skip


def test_the_same_image_has_the_same_content_whatever_its_id() -> None:
    one = parse_image(inspected())
    assert parse_image(inspected(id="sha256:2", User="", Volumes=None)).content == one.content
    assert parse_image(inspected(layers=("sha256:b",))).content != one.content
    # the same layers with other settings: a release that changes a variable only
    assert parse_image(inspected(Env=["A=2"])).content != one.content
    assert parse_image({**inspected(), "Architecture": "arm64"}).content != one.content
    assert parse_image(inspected(Labels={"a": "1"})).content != one.content


@pytest.mark.parametrize(
    "name, said",
    [
        ("shop-api", "shop-api:latest"),
        ("shop-api:2", "shop-api:2"),
        ("reg.example.com:5000/api", "reg.example.com:5000/api:latest"),
        ("api@sha256:1", "api@sha256:1"),
    ],
)
def test_a_name_with_its_tag(name: str, said: str) -> None:
    assert with_tag(name) == said


def test_the_commit_that_an_image_was_built_from_is_no_content() -> None:
    """A commit that changes nothing must not recreate anything."""
    labels = Revision("a" * 40, 1_700_000_000, source="https://example.com/x").labels()
    assert len(labels) == 4
    assert parse_image(inspected(Labels=labels)).content == parse_image(inspected()).content
    assert (
        parse_image(inspected(Labels={**labels, "mine": "1"})).content
        == parse_image(inspected(Labels={"mine": "1"})).content
        != parse_image(inspected()).content
    )


def test_images_are_found_by_their_place_in_the_list() -> None:
    text = (
        f"# listed\nsha256:1\n# images\n[0, {json.dumps(inspected())}]\n[2, {json.dumps(inspected(id='sha256:9'))}]\n"
    )
    found = parse_images(["a", "absent", "broken"], text)
    assert {ref: (image.id, image.listed) for ref, image in found.items()} == {
        "a": ("sha256:1", True), "broken": ("sha256:9", False),
    }  # fmt: skip


def test_only_what_is_absent_different_or_broken_is_sent() -> None:
    here = {ref: parse_image(inspected()) for ref in ("same", "absent", "other", "broken")}
    there = {
        "same": parse_image(inspected(id="sha256:5")),
        "other": parse_image(inspected(layers=())),
        "broken": parse_image(inspected(), listed=False),
    }
    assert missing(here, there, ["same", "absent", "other", "broken", "absent"]) == ["absent", "other", "broken"]


def test_save_and_load() -> None:
    assert save_command(HOST, ["a:1", "b:2"], zstd=True).masked() == ("docker image save a:1 b:2 | zstd -q -3 -T0 -c")
    assert save_command(HOST, ["a:1"], zstd=False).masked() == "docker image save a:1 | gzip -1 -c"
    assert load_command(SUDO, zstd=True).masked() == "zstd -q -d -c | sudo -n docker image load --quiet"
    assert load_command(SUDO, zstd=False).masked() == "sudo -n docker image load --quiet"


def test_references_are_words_of_their_own() -> None:
    assert images_command(HOST, ["-x", "a b"]).stages[0].argv[3:] == ("opslib", "1", "docker", "-x", "a b")
    assert tag_command(HOST, {"sha256:1": "api:rel1"}).stages[0].argv[3:] == (
        "opslib", "1", "docker", "sha256:1", "api:rel1",
    )  # fmt: skip


def test_pull() -> None:
    assert pull_command(SUDO, PROJECT, "db").masked() == f"sudo -n docker {COMPOSE} pull --quiet -- db"


def test_what_is_built_and_what_is_pulled() -> None:
    assert to_build(PROJECT) == ["api"]
    assert to_build(PROJECT, ["db"]) == []
    assert to_pull(PROJECT) == {"postgres:15": "db", "redis:7": "cache"}
    assert to_pull(PROJECT, ["worker", "cache"]) == {"redis:7": "cache"}


@pytest.mark.parametrize(
    "said, what",
    [
        ('Error response from daemon: Get "https://r/v2/": dial tcp: lookup r: no such host', "cannot be reached"),
        ("Error response from daemon: manifest for postgres:999 not found: manifest unknown", "does not exist"),
        ("Error response from daemon: pull access denied for x, repository does not exist", "does not exist"),
        ("Error response from daemon: toomanyrequests: slow down", "cannot be pulled: toomanyrequests: slow down"),
        ("", "no answer"),
    ],
)
def test_a_pull_that_fails_names_the_image_and_the_answer(said: str, what: str) -> None:
    error = pull_failed("postgres:999", f'time="x" level=warning\n db Pulling\n{said}')
    assert "postgres:999" in error.what
    if said:
        assert what in error.what
        assert said.removeprefix("Error response from daemon: ") in error.what
    assert error.next


def test_the_tools_recipe_is_in_its_tag() -> None:
    assert tools_tag().startswith("opslib-tools:")
    assert len(tools_tag().split(":")[1]) == 12
    for program in ("age", "sqlite3", "tar", "zstd", "util-linux"):
        assert program in recipe()
    cmd = build_tools(HOST, "debian:bookworm-slim")
    assert cmd.masked() == f"docker build --quiet --tag {tools_tag()} --build-arg BASE=debian:bookworm-slim -"
    assert cmd.feed == recipe().encode()
