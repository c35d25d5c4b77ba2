"""What is built, as a definition for bake or a compose file; versions, caches, the base of a Dockerfile, layers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.command import Secret
from opslib.compose.project import Project, parse_project
from opslib.images.bake import bake_file, can_bake, compose_file, entry
from opslib.images.build import to_build, version_command
from opslib.images.build_cache import cache_entry
from opslib.images.builder import Builder, build_command, parse_builder
from opslib.images.dockerfile import base_image
from opslib.images.layers import Layer, parse_history
from opslib.images.revision import PATTERN, Revision, version_tag, without_password
from opslib.settings.caches import cache
from opslib.settings.model import Build, Host

HOST = Host(name="p", path="x")
AT = Revision("0123456789abcdef" * 2 + "01234567", 1_764_455_671)


def project(**build: Any) -> Project:
    config = {
        "name": "shop",
        "services": {"my.api": {"build": {"context": "/srv/app", "dockerfile": "Dockerfile", **build}}},
        "secrets": {"token": {"name": "shop_token", "environment": "TOKEN"}, "key": {"file": "/srv/a,b.key"}},
    }
    return parse_project(config, root="/srv", files=("a.yml",))


def made(settings: Build | None = None, revision: Revision | None = None, **build: Any) -> dict[str, Any]:
    return entry(project(**build), "my.api", settings or Build(), revision, cache_root="/srv", inline={"shop-my.api"})


def target(settings: Build | None = None, revision: Revision | None = None, **build: Any) -> dict[str, Any]:
    """The one target of bake's definition."""
    text = json.loads(bake_file(project(**build), {"my.api": made(settings, revision, **build)}))
    (name,) = text["group"]["default"]["targets"]
    assert name == "my_api"
    found: dict[str, Any] = text["target"][name]
    return found


def test_a_version_says_when_and_which_commit() -> None:
    assert AT.version == "20251129-223431.0123456"
    assert Revision(AT.commit, AT.time, dirty=True).version == "20251129-223431.0123456.dirty"
    assert version_tag("reg:5000/shop/api:latest@sha256:1", AT.version) == "reg:5000/shop/api:20251129-223431.0123456"
    words = version_command(HOST, ["shop-api"], AT.version, 3).stages[0].argv
    assert words[-4:] == ("3", PATTERN, "shop-api", "shop-api:20251129-223431.0123456")


def test_labels_say_where_an_image_comes_from_and_no_password() -> None:
    labels = Revision(AT.commit, AT.time, source="https://me:hunter2@example.com:8443/shop.git").labels()
    assert labels == {
        "org.opencontainers.image.revision": AT.commit,
        "org.opencontainers.image.created": "2025-11-29T22:34:31Z",
        "org.opencontainers.image.version": "20251129-223431.0123456",
        "org.opencontainers.image.source": "https://example.com:8443/shop.git",
    }
    assert without_password("git@example.com:shop.git") == "git@example.com:shop.git"
    assert "org.opencontainers.image.source" not in AT.labels()


def test_a_target_has_what_the_compose_file_says() -> None:
    found = target(
        args={"A": "1", "UNSET": None, "N": 2}, target="run", pull=True, additional_contexts={"lib": "/srv/lib"},
        tags=["shop/api:2"], labels={"mine": "1"}, dockerfile="docker/Dockerfile", cache_from=["shop/api"],
    )  # fmt: skip
    assert found == {
        "context": "/srv/app", "dockerfile": "docker/Dockerfile", "tags": ["shop-my.api", "shop/api:2"],
        "args": {"A": "1", "N": "2"}, "target": "run", "pull": True, "contexts": {"lib": "/srv/lib"},
        "cache-from": ["shop/api"],
        "labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "my.api", "mine": "1"},
    }  # fmt: skip


def test_the_labels_of_the_compose_file_go_first() -> None:
    key = "org.opencontainers.image.version"
    assert made(revision=AT)["labels"][key] == AT.version
    assert made(revision=AT, labels={key: "1.2"})["labels"][key] == "1.2"


def test_nothing_in_a_text_is_an_expression() -> None:
    assert target(args={"A": "${B} %{if} $C"})["args"] == {"A": "$${B} %%{if} $C"}
    written = compose_file(project(args={"A": "a$b"}), {"my.api": made(args={"A": "a$b"})})
    assert json.loads(written)["services"]["my.api"]["build"]["args"] == {"A": "a$$b"}


def test_secrets_by_file_and_by_variable() -> None:
    secrets = [{"source": "token", "target": "/run/secrets/token"}, {"source": "key", "target": "deploy"}]
    assert target(secrets=secrets)["secret"] == ["id=token,env=TOKEN", 'id=deploy,"src=/srv/a,b.key"']


@pytest.mark.parametrize(
    "build, can",
    [
        ({"args": {"A": "1"}}, True), ({"network": "none"}, True), ({"network": "host"}, False),
        ({"ssh": ["default"]}, False), ({"additional_contexts": {"base": "service:base"}}, False),
        ({"privileged": True}, False),
    ],
)  # fmt: skip
def test_what_bake_does_not_know_is_left_to_compose(build: dict[str, Any], can: bool) -> None:
    assert can_bake([made(**build)]) is can
    words = build_command(HOST, project(**build), {"my.api": made(**build)}, Builder(True)).masked()
    assert ("buildx bake" in words, "compose" in words) == (can, not can)


def test_the_command_has_no_secret_in_its_arguments() -> None:
    one = project(args={"TOKEN": "hunter2"})
    entries = {"my.api": made(args={"TOKEN": "hunter2"})}
    for builder in (Builder(True), Builder(False)):
        cmd = build_command(HOST, one, entries, builder, no_cache=True, secrets={"KEY": Secret("hunter3")})
        (stage,) = cmd.stages
        assert not any("hunter" in word for word in stage.argv)
        assert "hunter" not in cmd.masked()
        assert "--no-cache" in stage.argv
        assert isinstance(cmd.feed, bytes)
        assert b"hunter2" in cmd.feed
        assert b"hunter3" not in cmd.feed
        assert cmd.limit == 7200
    assert stage.argv[4:] == (
        "docker", "compose", "--project-name", "shop", "--project-directory", "/srv", "--file", "-", "--ansi", "never",
        "build", "--no-cache",
    )  # fmt: skip


def test_passwords_in_args_are_masked() -> None:
    assert project(args={"API_TOKEN": "hunter2", "COLOR": "blue"}).masked("blue hunter2") == "blue ***"


@pytest.mark.parametrize(
    "service, wanted, platforms",
    [
        ({}, None, None),
        ({}, "linux/arm64", ["linux/arm64"]),
        ({"platforms": ["linux/amd64"]}, None, ["linux/amd64"]),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, None, None),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, "linux/arm64", ["linux/arm64"]),
    ],
)
def test_one_platform(service: dict[str, Any], wanted: str | None, platforms: list[str] | None) -> None:
    assert target(Build(platform=wanted), **service).get("platforms") == platforms


def test_caches() -> None:
    settings = Build(
        cache_from=(cache("/var/c,d"), cache("./cache"), cache("reg.example.com/shop/cache"), cache("inline")),
        cache_to=cache("/var/c"),
    )
    found = target(settings, cache_from=["own"])
    assert found["cache-from"] == [
        "own", 'type=local,"src=/var/c,d/my.api"', "type=local,src=/srv/cache/my.api",
        "type=registry,ref=reg.example.com/shop/cache:my.api", "type=registry,ref=shop-my.api",
    ]  # fmt: skip
    assert found["cache-to"] == ["type=local,dest=/var/c/my.api.new,mode=max"]
    assert cache_entry(cache("reg.example.com/c"), "a", "i", "/", write=True) == (
        "type=registry,ref=reg.example.com/c:a,mode=max"
    )
    one = entry(project(), "my.api", Build(cache_from=(cache("inline"),)), None, cache_root="/srv")
    assert "cache_from" not in one, "nobody's image of that name on Docker Hub"
    assert cache_entry(cache("inline"), "a", "i", "/", write=True) == "type=inline"


def test_what_builds() -> None:
    seen = "# version\ngithub.com/docker/buildx 0.13.1\n# builder\nName:   b\nDriver: docker-container\n\nNodes:\nName: n\n"
    assert parse_builder(seen) == Builder(True, "docker-container")
    assert parse_builder("# version\n# builder\n") == Builder(False, "docker")


def test_services_with_a_build() -> None:
    assert to_build(project()) == ["my.api"]


@pytest.mark.parametrize(
    "text, args, stage, base",
    [
        ("FROM debian:12\nRUN x", {}, None, "debian:12"),
        ("# c\nARG A=x\nARG B=1 C\nfrom --platform=$BUILDPLATFORM ${A}/y:${B} as z", {}, None, "x/y:1"),
        ("ARG A=x\nFROM $A", {"A": "z"}, None, "z"),
        ("ARG A\nFROM ${A:-fallback}", {}, None, "fallback"),
        ("FROM node:20 AS build\nFROM build AS test\nFROM nginx\nCOPY --from=build a b", {}, None, "nginx"),
        ("FROM node:20 AS Build\nFROM build AS test\nFROM nginx", {}, "test", "node:20"),
        ("FROM a\nFROM b", {}, "0", "a"),
        ("FROM \\\n  debian:12\nRUN a \\\n# note\n  FROM_not", {}, None, "debian:12"),
        ("FROM a\nRUN <<EOF\nFROM b\nEOF\n", {}, None, "a"),
        ("FROM scratch", {}, None, "scratch"),
        ("", {}, None, None),
        ("FROM a AS a", {}, None, "a"),
        ("FROM", {}, None, None),
        ("FROM $NOTHING", {}, None, None),
        ("FROM a", {}, "other", None),
    ],
)
def test_the_base_of_a_dockerfile(text: str, args: dict[str, str], stage: str | None, base: str | None) -> None:
    assert base_image(text, args, stage) == base


def test_layers_and_the_instructions_that_made_them() -> None:
    made_by = [
        ("0", 'CMD ["x"]'), ("12", "COPY . /srv # buildkit"), ("60000000", "RUN |1 A=1 /bin/sh -c apt-get   update # buildkit"),
        ("1", "/bin/sh -c #(nop) ADD file:1 in / "), ("2", "/bin/sh -c make"), ("3", ""),
        ("4", "RUN /bin/sh -c true # buildkit"),
    ]  # fmt: skip
    lines = "".join(json.dumps({"Size": size, "CreatedBy": text}) + "\n" for size, text in made_by)
    found = parse_history(["a", "b"], f"# image\n{lines}# image\n")
    assert found["b"] == []
    assert found["a"] == [
        Layer(0, 'CMD ["x"]'), Layer(12, "COPY . /srv"), Layer(60_000_000, "RUN apt-get update"),
        Layer(1, "ADD file:1 in /"), Layer(2, "RUN make"), Layer(3, "an import"), Layer(4, "RUN true"),
    ]  # fmt: skip
