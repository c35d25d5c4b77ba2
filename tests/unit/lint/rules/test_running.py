"""The compose files beside what runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.compose.stack import SeenVolume, Stack
from opslib.lint.facts import config_files, parse_images, parse_running, questions, running_command
from opslib.lint.model import Facts, ImageFacts, Model
from opslib.settings.model import Host
from tests.unit.compose.seen import container
from tests.unit.lint.rules.stacks import found, model

TEXT = """services:
  api:
    image: shop-api:1
    environment: {TOKEN: hunter2}
    restart: unless-stopped
    ports: ['8080:80']
    volumes: ['data:/data', '/srv/x:/x:ro']
volumes: {data: }
"""


def seen(
    folder: Path, *changes: dict[str, Any], volumes: tuple[SeenVolume, ...] = (), text: str = TEXT, **facts: Any
) -> Model:
    containers = tuple(container(**change) for change in changes)
    stack = Stack("shop", containers, all_volumes=volumes)
    return model(folder, text, facts=Facts(running=stack, **facts))


def test_what_runs_as_it_is_written(tmp_path: Path) -> None:
    assert found(seen(tmp_path, {}), "drift") == []
    assert found(model(tmp_path, TEXT), "drift") == [], "nothing is known"
    assert found(seen(tmp_path), "drift") == [], "nothing was started yet"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"config": {"Env": ["TOKEN=another1"]}}, "the variable TOKEN"),
        ({"config": {"Image": "shop-api:2"}}, "the image shop-api:2"),
        ({"ports": {}}, "the port 8080"),
        ({"restart": "no"}, "the restart policy `no`"),
        ({"Mounts": []}, "the mount /data, the mount /x"),
        ({"Mounts": [{"Type": "volume", "Name": "other", "Destination": "/data"}, {"Type": "bind", "Destination": "/x"}]},
         "the mount /data other"),
        ({"state": {"Status": "exited", "ExitCode": 3}}, "exited (exit code 3)"),
        ({"state": {"Status": "restarting"}}, "restarting"),
        ({"service": "web"}, "it does not run at all"),
    ],
)  # fmt: skip
def test_drift(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    one = found(seen(tmp_path, change), "drift")[0]
    assert (one.service, one.place.line) == ("api", 2)
    assert words in one.what and "hunter2" not in one.what and "another1" not in one.what


def test_no_drift_where_compose_says_that_it_is_the_same_or_a_release_has_its_own_tag(tmp_path: Path) -> None:
    pinned = {"config": {"Image": "shop-api:opslib-20261130", "Env": ["TOKEN=hunter2"]}}
    assert found(seen(tmp_path, pinned), "drift") == []
    same = seen(tmp_path, {"config": {"Env": []}})
    project = parse_project(same.config, root=str(tmp_path), hashes={"api": "abc"})
    assert found(dataclasses.replace(same, project=project), "drift") == []


def test_a_service_that_no_file_has(tmp_path: Path) -> None:
    (one,) = found(seen(tmp_path, {}, {"service": "old"}), "drift")
    assert one.service == "old" and "no compose file" in one.what


def test_root(tmp_path: Path) -> None:
    assert found(seen(tmp_path, {}), "root-user") == []
    as_root = {"config": {"User": "", "Image": "shop-api:1"}}
    assert len(found(seen(tmp_path, as_root), "root-user")) == 1
    assert len(found(seen(tmp_path, {}), "writable-root")) == 1
    closed = {"HostConfig": {"ReadonlyRootfs": True, "RestartPolicy": {"Name": "no"}}}
    assert found(seen(tmp_path, closed), "writable-root") == []
    database = TEXT.replace("shop-api:1", "postgres:15")
    assert found(seen(tmp_path, as_root, text=database), "root-user") == []


@pytest.mark.parametrize(
    "status, output, words",
    [
        ("unhealthy", 'OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH: unknown', "calls curl, which is not in its image"),
        ("starting", "/bin/sh: 1: curl: not found", "calls curl, which is not in its image"),
        ("unhealthy", "bash: line 1: nc: command not found", "calls nc, which"),
        ("unhealthy", "connection refused with hunter2", "fails: connection refused with ***"),
        ("unhealthy", "404 page: not found", "fails: 404"),
        ("starting", "connection refused", None),
        ("healthy", "", None),
    ],
)  # fmt: skip
def test_health_checks_that_fail(tmp_path: Path, status: str, output: str, words: str | None) -> None:
    state = {"Health": {"Status": status, "Log": [{"Output": output}]}}
    told = found(seen(tmp_path, {"state": state}), "health-failing")
    assert [words in one.what for one in told if words] == [True] * (words is not None)
    assert "hunter2" not in repr(told)


def test_an_older_image_than_its_tag(tmp_path: Path) -> None:
    for id, wanted in (("sha256:1", 0), ("sha256:2", 1), ("", 0)):
        images = {"shop-api:1": ImageFacts(id=id)}
        assert len(found(seen(tmp_path, {}, images=images), "image-outdated")) == wanted


def test_volumes_that_nobody_uses(tmp_path: Path) -> None:
    label = {"com.docker.compose.project": "shop", "com.docker.compose.volume": "old"}
    volumes = (
        SeenVolume("shop_old", label, "local"),
        SeenVolume("shop_used", label, "local", mounted_by=("x",)),
        SeenVolume("shop_data", label, "local"),
        SeenVolume("other_old", {"com.docker.compose.project": "other"}, "local"),
        SeenVolume("ab" * 32, {}, "local"),
        SeenVolume("cd" * 32, {}, "local", mounted_by=("x",)),
    )
    told = found(seen(tmp_path, {}, volumes=volumes), "unused-volume")
    assert ["shop_old" in told[0].what, told[1].what.startswith("nothing uses 1 volume without")] == [True, True]
    assert all(
        "prune" not in one.fix.replace("never docker volume prune", "").replace("never by docker volume prune", "")
        for one in told
    )


def test_a_mount_that_is_gone(tmp_path: Path) -> None:
    (one,) = found(seen(tmp_path, {}, absent=frozenset({"/srv/x"})), "mounted-path-gone")
    assert (one.service, one.place.line) == ("api", 7)
    assert found(seen(tmp_path, {}), "mounted-path-gone") == []


# -- the facts themselves

IMAGE = """{"Id":"sha256:9","RepoTags":["postgres:15","reg.example.com:5000/x:1"],"RepoDigests":["postgres@sha256:ff"],"Architecture":"arm64","Size":7,"Config":{"User":"app","Volumes":{"/b":{},"/a":{}},"Env":["PATH=/bin","A=b=c"],"Healthcheck":{"Test":["CMD","x"]}}}"""


def test_images_are_found_by_their_own_names() -> None:
    refs = ["postgres:15", "docker.io/library/postgres:15", "postgres", "reg.example.com:5000/x:1", "sha256:9",
            "postgres:15@sha256:ff", "postgres@sha256:00"]  # fmt: skip
    images, arch = parse_images(refs, f"# images\n{IMAGE}\n\n# arch\namd64\n")
    assert (sorted(images), arch) == (sorted({*refs} - {"postgres", "postgres@sha256:00"}), "amd64")
    assert images["postgres:15"] == ImageFacts(
        ("/a", "/b"), "app", ("CMD", "x"), "arm64", {"PATH": "/bin", "A": "b=c"}, None, 7, "sha256:9"
    )
    assert parse_images(["x"], "# images\n\n# arch\n") == ({}, "")


def test_what_is_asked_of_running_containers() -> None:
    text = "# programs\nab sh curl .\ncd .\n# absent\n /srv/x\n# memory\nab 12.5MiB / 1GiB\ncd 0B / 0B\nef --\n"
    memory, programs, absent = parse_running(text)
    assert memory == {"ab": 13107200}
    assert programs == {"ab": frozenset({"sh", "curl"}), "cd": frozenset()}
    assert absent == {"/srv/x"}
    host = Host(name="local", path="/srv")
    words = running_command(host, ["ab"], {"ab": ("sh", "curl")}, ["/x"]).stages[0].argv
    assert words[-8:] == ("1", "ab", "ab", "2", "sh", "curl", "--", "/x")


def test_only_containers_of_the_image_itself_are_asked() -> None:
    project = parse_project({"name": "shop", "services": {"api": {"image": "shop-api:1"}}})
    one = container(config={"Healthcheck": {"Test": ["CMD", "curl", "x"]}, "Image": "shop-api:1"})
    stack = Stack("shop", (one,))
    same, other = (Facts(images={"shop-api:1": ImageFacts(id=id)}) for id in ("sha256:1", "sha256:2"))
    assert questions(project, same, stack) == {"id-api": ("curl", "wget", "bash")}
    assert questions(project, other, stack) == {}


def test_config_files_of_the_project_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    for name, text in (
        ("nginx.conf", "a"),
        ("conf.d/b.conf", "b"),
        ("token.txt", "secret"),
        ("big.conf", "x" * 300_000),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "raw.conf").write_bytes(b"\xff\xfe")
    mounts = [{"type": "bind", "source": f"/srv/app/{name}", "target": f"/{name}"}
              for name in ("nginx.conf", "conf.d", "token.txt", "big.conf", "raw.conf", "absent.conf")]  # fmt: skip
    mounts += [{"type": "bind", "source": "/etc/hosts.conf", "target": "/h"}]
    config = {"name": "shop", "services": {"web": {"image": "nginx", "volumes": mounts}}}
    project = parse_project(config, root="/srv/app")
    assert config_files(project, tmp_path) == {"nginx.conf": "a", "conf.d/b.conf": "b"}
