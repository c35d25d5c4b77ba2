"""Images on real engines of both image stores: building, sending over SSH, the tools image."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.command import Secret, bash
from opslib.compose.wanted import wanted
from opslib.errors import BadSettings, Cancelled, CommandFailed, OpsError
from opslib.events import Event, Note, Output, Progress
from opslib.images.build import build, pull_missing
from opslib.images.cache import Cache
from opslib.images.info import images_of
from opslib.images.registry import Pushes, by_registry
from opslib.images.revision import Revision
from opslib.images.ship import Shipped, ship
from opslib.images.stream import Reader
from opslib.images.tools import ensure_tools, tools_tag
from opslib.settings.caches import cache
from opslib.settings.model import Build, Host
from opslib.settings.registry import Registry
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, run_in
from opslib.target.transfer import put_bytes
from tests.conftest import ROOT, Place, missing

pytestmark = pytest.mark.lab

SERVER = "test-images"  # a server of these tests' own, whose engine keeps its images in containerd


@pytest.fixture(scope="module")
def containerd(ssh_config: Path) -> Iterator[str]:
    words = [str(ROOT / "scripts/lab"), "server", SERVER]
    made = subprocess.run(
        [*words, "--store", "containerd", "--images", "busybox,debian", "--json"], capture_output=True, text=True
    )
    if made.returncode:
        missing(f"no server with the containerd store: {made.stderr}")
    (server,) = [one for one in json.loads(made.stdout)["servers"] if one["name"] == SERVER]
    assert server["store"] == "containerd"
    with ssh_config.open("a") as file:
        file.write(
            f"Host {SERVER}\n  HostName {server['address']}\n  Port {server['port']}\n  User {server['user']}\n"
            f"  IdentityFile {server['key']}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server['known_hosts']}\n"
        )
    yield SERVER
    subprocess.run([*words, "--down"], capture_output=True, check=True)


@pytest.fixture
def here(lab: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = connect(Host(name="local", path=str(tmp_path / "here")))
    yield target
    target.close()


@pytest.fixture(params=["classic", "containerd"])
def server(request: pytest.FixtureRequest, ssh_config: Path) -> Iterator[Target]:
    name = request.getfixturevalue("containerd") if request.param == "containerd" else "one"
    target = connect(Host(name=name, path="opslib-images", address=Address(name)), [].append)
    yield target
    target.close()


@pytest.fixture
def image(lab: dict[str, Any], here: Target, server: Target) -> Iterator[str]:
    """A tag that is removed everywhere afterwards."""
    name = f"cmp-{uuid.uuid4().hex[:8]}:1"
    yield name
    for target in (here, server):
        say(target, "image", "rm", "-f", name, before(name), check=False)


def before(tag: str) -> str:
    """The tag of the version before, as that of its release in a deploy: without any name containerd may collect its
    layers while the next version, which is sent without them, is being loaded."""
    return tag.replace(":1", ":before")


def say(target: Target, *words: str, check: bool = True) -> str:
    return target.run(docker(target.host, *words), check=check).text


def names_of(target: Target, tag: str) -> list[str]:
    """Every name that the engine has for the image, other than its own."""
    names = say(target, "image", "inspect", "--format", "{{json .RepoTags}} {{json .RepoDigests}}", tag)
    tags, digests = (json.loads(part) or [] for part in names.split(" "))
    return [name for name in tags + digests if not name.startswith(tag.partition(":")[0])]


def make(target: Target, tag: str, lines: str, base: str = "opslib-lab/busybox:1") -> None:
    recipe = f"FROM {base}\n{lines}\n".encode()
    target.run(docker(target.host, "build", "-q", "-t", tag, "-", feed=recipe, limit=120))


def events(target: Target) -> list[Event]:
    seen: list[Event] = []
    target.tell = seen.append
    return seen


def noise(image: str, size: int = 3_000_000) -> str:
    """A layer that no engine has had before, whatever build cache it has."""
    return f"RUN head -c {size} /dev/urandom >/noise; : {image}"


def test_an_image_is_sent_once_and_then_only_what_changed(here: Target, server: Target, image: str) -> None:
    seen = events(server)
    make(here, image, f"{noise(image)}\nENV A=1\nCMD echo $A; wc -c </noise")
    first = ship(here, server, [image, image])
    assert (first.refs, first.whole) == ((image,), "")
    progress = [event.done for event in seen if isinstance(event, Progress)]
    assert progress == sorted(progress)
    assert progress[-1] == first.size > 3_000_000
    assert say(server, "run", "--rm", "--network", "none", image) == "1\n3000000"
    mine, theirs = images_of(here, [image])[image], images_of(server, [image])[image]
    assert (theirs.diff_ids, theirs.content, theirs.listed) == (mine.diff_ids, mine.content, True)
    assert ship(here, server, [image]) == Shipped()
    make(here, image, f"{noise(image)}\nENV A=2\nCMD echo $A; wc -c </noise")
    assert images_of(here, [image])[image].diff_ids == mine.diff_ids  # only a variable is another one
    for change in ("", "\nRUN head -c 10000 /dev/urandom >/change"):
        make(here, image, f"{noise(image)}\nENV A=2\nCMD echo $A; wc -c </noise{change}")
        say(server, "tag", image, before(image))
        again = ship(here, server, [image])
        assert (again.refs, again.whole) == ((image,), "")
        assert again.size is not None and again.size < 20_000
        assert say(server, "run", "--rm", "--network", "none", image) == "2\n3000000"
    # what is there now is whole for the engine itself, too
    assert len(server.run(docker(server.host, "image", "save", image, to="/dev/null")).text) == 0
    assert not server.run(bash('ls -A "$1/ship" 2>/dev/null', server.state), check=False).text


def test_of_a_new_version_only_new_layers_are_read(here: Target, image: str, tmp_path: Path) -> None:
    cache, came, names = Cache(), [], []
    for version in range(3):
        make(here, image, f"{noise(image)}\nRUN echo {version} >/version")
        found = images_of(here, [image])[image]
        before = {path.name for path in cache.folder.iterdir()} if version else set()
        with cache.alone(here):
            config, pieces = cache.read(here, image, found, "zst")
        came.append({path.name for path in cache.folder.iterdir()} - before)
        names += names_of(here, image)
        assert list(pieces) == list(dict.fromkeys(found.diff_ids))
        assert json.loads(config)["rootfs"]["diff_ids"] == list(found.diff_ids)
    # one layer and a configuration; what the engine calls its layers it tells with the second, and then only the new one
    assert sorted(path.rpartition(".")[2] for path in came[2]) == ["json", "of", "zst"]
    assert names == []


def test_after_a_cut_it_goes_on_where_it_was(here: Target, server: Target, image: str) -> None:
    make(here, image, noise(image, 60_000_000))
    seen = []

    def cut(event: Event) -> None:
        if isinstance(event, Progress) and event.done > 40_000_000:
            seen.append(event.done)
            server.cancel()

    server.tell = cut
    with pytest.raises(Cancelled):
        ship(here, server, [image])
    assert images_of_after(server, image) == {}
    server.tell = [].append
    rest = ship(here, server, [image])
    # what was under way on the line when it broke is sent again
    assert rest.size is not None and rest.size < 50_000_000 and not rest.whole
    assert say(server, "run", "--rm", "--network", "none", image, "sh", "-c", "wc -c </noise") == "60000000"


def images_of_after(server: Target, image: str) -> dict[str, Any]:
    server.resume()
    return images_of(server, [image])


LYING = """#!/bin/bash
# The engine of a server, which says that it has layers that it has not.
docker() {{ command docker exec -i opslib-lab-{name} docker "$@"; }}
case "$*" in "image inspect --format {{{{.Id}}}} "*) printf '%s %s\\n' {id} '{layers}' ;; *) docker "$@" ;; esac
"""


def beside(server: Target, tmp_path: Path, text: str) -> Target:
    """The server's engine as this machine's `docker` finds it, by a client of the test's own."""
    client = tmp_path / "docker-there"
    client.write_text(text)
    client.chmod(0o755)
    return connect(Host(name=server.host.name, path=str(tmp_path / "there"), docker=(str(client),)))


def test_where_layers_are_missing_after_all_everything_is_sent(
    here: Target, server: Target, image: str, tmp_path: Path
) -> None:
    make(here, image, f"{noise(image)}\nENV A=1")
    mine = images_of(here, [image])[image]
    lying = LYING.format(name=server.host.name, id=mine.id, layers=json.dumps(mine.diff_ids))
    target = beside(server, tmp_path, lying)
    Path(target.state).mkdir(parents=True)
    (Path(target.state) / "shipped").write_text(mine.id + "\n")
    seen = events(target)
    sent = ship(here, target, [image])
    target.close()
    assert sent.refs == (image,)
    assert sent.whole and sent.size is not None and sent.size > 3_000_000
    assert any(
        isinstance(event, Note) and event.warning and "all of it is sent, because" in event.text for event in seen
    )
    assert say(server, "run", "--rm", "--network", "none", image, "sh", "-c", "wc -c </noise") == "3000000"
    assert images_of(server, [image])[image].listed


def test_several_images_where_there_is_no_zstd_there(
    here: Target, server: Target, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name != "zstd" and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = beside(server, tmp_path, f'#!/bin/bash\nexec docker exec -i opslib-lab-{server.host.name} docker "$@"\n')
    assert not target.run(bash("command -v zstd"), check=False).ended.ok
    second = image.replace(":1", ":2")
    make(here, image, "ENV A=1")
    make(here, second, "ENV A=2")
    try:
        sent = ship(here, target, [image, second])
        assert (sent.refs, sent.whole) == ((image, second), "")
        assert say(server, "run", "--rm", "--network", "none", second, "sh", "-c", "echo $A") == "2"
    finally:
        for one in (here, server):
            say(one, "image", "rm", "-f", second)
        target.close()


# -- by way of a registry


@pytest.fixture(scope="module")
def registry(containerd: str) -> Registry:
    done = subprocess.run([str(ROOT / "scripts/lab"), "registry", "--json"], capture_output=True, text=True)
    if done.returncode:
        missing(f"no registry: {done.stderr}")
    found = json.loads(done.stdout)["registry"]
    return Registry(address=f"{found['address']}/team", user=found["user"], password=Secret(found["password"]))


def alone(image: str, lines: str) -> str:
    """The rest of a Dockerfile for an image that shares no layer with any other, and the same lines on top."""
    return f"{noise(image)}\nFROM scratch\nCOPY --from=0 / /\n{lines}"


def test_by_a_registry_it_is_pushed_once_and_nothing_of_the_login_stays(
    here: Target, server: Target, image: str, registry: Registry
) -> None:
    make(here, image, alone(image, "ENV A=1\nCMD echo $A; wc -c </noise"))
    pushes = Pushes()
    assert by_registry(here, server, registry, [image], pushes) == Shipped((image,))
    assert say(server, "run", "--rm", "--network", "none", image) == "1\n3000000"
    mine, theirs = images_of(here, [image])[image], images_of(server, [image])[image]
    assert (theirs.content, theirs.listed) == (mine.content, True)
    assert by_registry(here, server, registry, [image], pushes) == Shipped()
    for target in (here, server):
        assert names_of(target, image) == []
        found = target.run(bash('ls "$1"; cat ~/.docker/config.json', target.state), check=False).text
        assert "login" not in found and registry.server not in found
    # what was pulled is in containerd in a form that an image which was sent cannot refer to
    containerd = server.host.name == SERVER
    make(here, image, alone(image, "ENV A=2\nCMD echo $A; wc -c </noise"))
    sent = ship(here, server, [image])
    assert sent.size is not None and (sent.size > 3_000_000) == containerd and not sent.whole
    assert say(server, "run", "--rm", "--network", "none", image) == "2\n3000000"
    # and the other way round
    make(here, image, alone(image, "ENV A=3\nCMD echo $A; wc -c </noise"))
    say(server, "image", "rm", "-f", image)
    ship(here, server, [image])
    make(here, image, alone(image, "ENV A=4\nCMD echo $A; wc -c </noise"))
    sent = by_registry(here, server, registry, [image], Pushes())
    assert (sent.size is not None) == containerd and not sent.whole
    assert images_of(server, [image])[image].listed
    assert say(server, "run", "--rm", "--network", "none", image) == "4\n3000000"
    wrong = Registry(address=registry.address, user=registry.user, password=Secret("not-this-one"))
    say(server, "image", "rm", "-f", image)
    with pytest.raises(OpsError, match=f"did not let {registry.user} in"):
        by_registry(here, server, wrong, [image], pushes)


def test_nothing_is_sent_to_the_same_engine(here: Target, lab: dict[str, Any]) -> None:
    assert ship(here, here, ["whatever:1"]) == Shipped()


def test_an_image_that_is_not_here_cannot_be_sent(here: Target, server: Target) -> None:
    with pytest.raises(OpsError, match="no image cmp-none:1"):
        ship(here, server, ["cmp-none:1"])


FULL = """#!/bin/bash
# An engine without any image, whose disk is full: the client reads a little and gives up.
case "$1 $2" in
"image ls") ;;
"image inspect") echo "Error: No such image: $4" >&2; exit 1 ;;
"image load") head -c 100000 >/dev/null; echo "write /x/layer.tar: no space left on device" >&2; exit 1 ;;
esac
"""


def test_a_full_disk_there_is_said(here: Target, lab: dict[str, Any], tmp_path: Path) -> None:
    client = tmp_path / "docker-full"
    client.write_text(FULL)
    client.chmod(0o755)
    target = connect(Host(name="tight", path=str(tmp_path), docker=(str(client),)))
    with pytest.raises(OpsError, match=r"disk of the Docker engine is full.*postgres:15 was not loaded") as caught:
        ship(here, target, [f"{lab['images_prefix']}postgres:15"])
    assert caught.value.host == "tight"
    target.close()


DYING = """#!/bin/bash
# The real engine, but a save that breaks off in the middle.
if [[ "$1 $2" == "image save" ]]; then docker "$@" | head -c 1000000; echo "the engine went away" >&2; exit 1; fi
exec docker "$@"
"""


def test_a_save_that_breaks_off_loads_nothing(
    here: Target, server: Target, lab: dict[str, Any], image: str, tmp_path: Path
) -> None:
    make(here, image, "RUN head -c 3000000 /dev/urandom >/noise")
    client = tmp_path / "docker-dying"
    client.write_text(DYING)
    client.chmod(0o755)
    dying = connect(Host(name="local", path=str(tmp_path), docker=(str(client),)))
    with pytest.raises(OpsError, match=r"(?s)save failed here: .*the engine went away"):
        ship(dying, server, [image])
    dying.close()
    assert images_of(server, [image]) == {}
    assert ship(here, server, [image]).refs == (image,)


def test_a_sender_that_dies_is_an_error_and_no_end_of_file(here: Target) -> None:
    source = Reader(here, bash("echo half; exit 3"))
    with pytest.raises(OpsError, match="docker image save failed here"):
        b"".join(iter(source.read, b""))
    source = Reader(here, bash("while :; do echo on; done"))
    assert source.read(2)
    source.close()


# -- building and pulling, on this machine and on a server


@pytest.fixture
def project_name(target: Target) -> Iterator[str]:
    name = f"cmp-{uuid.uuid4().hex[:8]}"
    yield name
    refs = say(target, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{name}-api").split()
    say(target, "image", "rm", "-f", *refs, check=False)


COMPOSE = """
services:
  api:
    build: {context: my api, args: {SECRET_TOKEN: "${TOKEN}"}}
    environment: {SECRET_TOKEN: "${TOKEN}"}
  worker: {image: "${NAME}-api"}
  cache: {image: "${IMAGES}busybox:1"}
"""


def project_files(place: Place, target: Target, lab: dict[str, Any], name: str, steps: str) -> Any:
    files = {
        "compose.yml": COMPOSE,
        "my api/Dockerfile": f"FROM {lab['images_prefix']}busybox:1\nARG SECRET_TOKEN\n{steps}\n",
        "my api/data": "some data\n",
        ".env": f"TOKEN=hunter2\nIMAGES={lab['images_prefix']}\nNAME={name}\n",
    }
    for path, text in files.items():
        put_bytes(target, text.encode(), f"{target.root}/{path}", mode=0o644)
    return wanted(target, name, ["compose.yml"], ".env")


def shown(place: Place) -> list[str]:
    return [event.line for event in place.events if isinstance(event, Output)]


def test_build_and_version(place: Place, target: Target, lab: dict[str, Any], project_name: str) -> None:
    project = project_files(place, target, lab, project_name, "COPY data /data\nRUN echo token $SECRET_TOKEN")
    first = Revision("a" * 40, 1_700_000_000, source="https://me:hunter3@example.com/x")
    built = build(target, project, revision=first, keep=1)
    assert list(built) == ["api"]
    tag = f"{project_name}-api:20231114-221320.aaaaaaa"
    assert images_of(target, [tag, f"{project_name}-api"]) == {tag: built["api"], f"{project_name}-api": built["api"]}
    labels = json.loads(say(target, "image", "inspect", "--format", "{{json .Config.Labels}}", tag))
    assert labels["org.opencontainers.image.version"] == "20231114-221320.aaaaaaa"
    assert labels["org.opencontainers.image.source"] == "https://example.com/x"
    assert labels["com.docker.compose.project"] == project_name
    assert built["api"].size > 0
    assert target.run(run_in(target.host, tag, "cat", "/data")).text == "some data"
    assert any("COPY data /data" in line for line in shown(place))
    assert not any("hunter" in line for line in shown(place))
    assert build(target, project, revision=first)["api"].id == built["api"].id  # the same commit is the same image
    place.events.clear()
    other = build(target, project, revision=Revision("b" * 40, 1_700_000_001), keep=1)["api"]
    assert sum("CACHED" in line for line in shown(place)) == 2, "labels are no part of a layer"
    assert (other.id == built["api"].id, other.content == built["api"].content) == (False, True)
    tags = say(target, "image", "ls", "--format", "{{.Tag}}", f"{project_name}-api").split()
    assert sorted(tags) == ["20231114-221321.bbbbbbb", "latest"], "one version stays"
    assert build(target, project, ["cache"]) == {}
    assert pull_missing(target, project) == []


SECRETS = """
services:
  api: {build: {context: my api, secrets: [token, {source: key, target: other}]}}
secrets:
  token: {environment: TOKEN}
  key: {file: ./the key}
"""
READS = """RUN --mount=type=secret,id=token --mount=type=secret,id=other \
  cat /run/secrets/token /run/secrets/other | sha256sum >/sum; cat /run/secrets/*"""
WITHOUT_BUILDX = """#!/bin/bash
if [[ $1 == buildx ]]; then echo "docker: 'buildx' is not a docker command." >&2; exit 1; fi
exec docker "$@"
"""


@pytest.mark.parametrize("buildx", [True, False])
def test_build_secrets_leave_no_trace(
    place: Place, target: Target, lab: dict[str, Any], project_name: str, buildx: bool
) -> None:
    project_files(place, target, lab, project_name, READS)
    put_bytes(target, SECRETS.encode(), f"{target.root}/compose.yml", mode=0o644)
    put_bytes(target, b"hunter3", f"{target.root}/the key")
    put_bytes(target, WITHOUT_BUILDX.encode(), f"{target.root}/docker", mode=0o755)
    if not buildx:
        target.host = msgspec.structs.replace(target.host, docker=(f"{target.root}/docker",))
    build(target, wanted(target, project_name, ["compose.yml"], ".env"), no_cache=True)
    said = target.run(run_in(target.host, f"{project_name}-api", "cat", "/sum")).text
    assert said.split()[0] == hashlib.sha256(b"hunter2hunter3").hexdigest()
    history = say(target, "history", "--no-trunc", f"{project_name}-api")
    assert "sha256sum" in history
    assert "hunter" not in history + say(target, "image", "inspect", f"{project_name}-api")
    assert shown(place)
    assert not any("hunter2" in line for line in shown(place))


def test_a_build_secret_that_is_not_set(place: Place, target: Target, lab: dict[str, Any], project_name: str) -> None:
    project_files(place, target, lab, project_name, "")
    put_bytes(target, SECRETS.replace("TOKEN", "ABSENT").encode(), f"{target.root}/compose.yml", mode=0o644)
    with pytest.raises(BadSettings, match="build secret token of service api is read from the variable ABSENT"):
        build(target, wanted(target, project_name, ["compose.yml"], ".env"))


def test_a_cache_that_the_engine_cannot_write(place: Place, target: Target, lab: dict[str, Any]) -> None:
    project = project_files(place, target, lab, "cmp-none", "")
    with pytest.raises(BadSettings, match="cannot write a cache to a folder while its image store is overlay2") as told:
        build(target, project, settings=Build(cache_to=cache("./c")))
    assert "docker-container" in (told.value.next or "")


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_caches_in_the_image_and_in_a_folder(store: str, request: pytest.FixtureRequest, lab: dict[str, Any]) -> None:
    """What the builder itself knows is forgotten each time. A cache in the image is read from the classic store alone,
    one in a folder is written with the containerd store alone."""
    server = request.getfixturevalue("containerd" if store == "containerd" else "ssh_config")
    name, host = f"cmp-{uuid.uuid4().hex[:8]}", server if store == "containerd" else "one"
    place = Place("ssh", f"opslib-test-{name}")
    place.host = Host(name=host, path=place.host.path, address=Address(host))
    target = place.connect()
    project = project_files(place, target, lab, name, f"RUN echo {name} >/a\nRUN echo two >/b")

    def cached(**caches: Any) -> int:
        say(target, "builder", "prune", "-af")
        place.events.clear()
        build(target, project, settings=Build(**caches))
        return sum("CACHED" in line for line in shown(place))

    inline, folder = cache("inline"), cache("./c, d")
    try:
        assert cached(cache_to=inline) == 0
        if store == "classic":
            assert cached(cache_from=(inline,)) == 2
            return
        assert cached(cache_from=(inline,), cache_to=folder) == 0
        assert [one.text for one in place.events if isinstance(one, Note) and "reads nothing" in one.text]
        say(target, "image", "rm", "-f", f"{name}-api")
        assert cached(cache_from=(folder,), cache_to=folder) == 2
        assert target.run(bash('cd -- "$1" && ls', f"{target.root}/c, d")).lines == ["api"]
    finally:
        say(target, "image", "rm", "-f", f"{name}-api", check=False)
        target.run(bash('rm -rf -- "$1"', target.root))
        target.close()


def test_a_build_that_fails_shows_its_last_lines(
    place: Place, target: Target, lab: dict[str, Any], project_name: str
) -> None:
    project = project_files(place, target, lab, project_name, "RUN echo the reason $SECRET_TOKEN && exit 7")
    with pytest.raises(OpsError, match="building api failed") as caught:
        build(target, project)
    assert "the reason ***" in caught.value.what
    assert "hunter2" not in str(caught.value)
    assert images_of(target, [f"{project_name}-api"]) == {}


def test_an_image_that_does_not_exist_is_named(target: Target, lab: dict[str, Any]) -> None:
    put_bytes(target, b"services: {a: {image: 'opslib-lab/no-such-image:9'}}", f"{target.root}/compose.yml")
    project = wanted(target, "cmp-none", ["compose.yml"])
    with pytest.raises(OpsError, match="image opslib-lab/no-such-image:9") as caught:
        pull_missing(target, project)
    assert caught.value.host == target.host.name
    assert caught.value.next


def test_a_reference_that_is_none_is_an_error(target: Target, lab: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed, match="invalid reference"):
        images_of(target, ["Not A Reference"])


# -- the tools image

PROGRAMS = """set -eo pipefail; tar --version; echo packed | zstd | zstd -d; age --version; flock --version
sqlite3 :memory: 'select "from sqlite"'; id -u; ls /sys/class/net"""


def base(lab: dict[str, Any]) -> dict[str, str]:
    return {"OPSLIB_TOOLS_BASE": f"{lab['images_prefix']}debian:bookworm-slim"}


def works(target: Target, ref: str) -> None:
    said = target.run(run_in(target.host, ref, "bash", "-c", PROGRAMS)).text
    assert "GNU tar" in said
    assert "packed\n" in said
    assert "from sqlite\n" in said
    assert said.splitlines()[-2:] == ["0", "lo"]


def test_the_tools_image_is_made_here_once(here: Target, lab: dict[str, Any]) -> None:
    ref = ensure_tools(here, here, base(lab))
    assert ref == tools_tag()
    works(here, ref)
    seen = events(here)
    assert ensure_tools(here, None, base(lab)) == ref
    assert seen == []


def test_the_tools_image_is_sent_and_without_an_engine_here_built_there(
    here: Target, containerd: str, lab: dict[str, Any], tmp_path: Path
) -> None:
    target = connect(Host(name=containerd, path="opslib-images", address=Address(containerd)))
    seen = events(target)
    try:
        works(target, ensure_tools(target, here, base(lab)))
        assert not any(isinstance(event, Note) and "building" in event.text for event in seen)
        say(target, "image", "rm", "-f", tools_tag())
        broken = connect(Host(name="local", path=str(tmp_path), docker=("no-such-docker",)))
        works(target, ensure_tools(target, broken, base(lab)))
        assert any(isinstance(event, Note) and "building" in event.text for event in seen)
        assert images_of(target, [tools_tag()])[tools_tag()].listed
    finally:
        target.close()


def test_where_no_way_works_both_are_told(lab: dict[str, Any], containerd: str, tmp_path: Path) -> None:
    broken = connect(Host(name="local", path=str(tmp_path), docker=("no-such-docker",)))
    target = connect(Host(name=containerd, path="x", address=Address(containerd)))
    say(target, "image", "rm", "-f", tools_tag(), check=False)
    with pytest.raises(
        OpsError, match=r"(?s)on this machine: .*no-such-docker.*on test-images: .*no-such-base"
    ) as told:
        ensure_tools(target, broken, {"OPSLIB_TOOLS_BASE": "opslib-lab/no-such-base:1"})
    assert "nothing has been stopped" in (told.value.left or "")
    target.close()


def test_an_image_of_ones_own_for_the_tools(here: Target, lab: dict[str, Any], tmp_path: Path) -> None:
    own = f"{lab['images_prefix']}debian:bookworm-slim"
    target = connect(Host(name="local", path=str(tmp_path), tools_image=own))
    assert ensure_tools(target, here) == own
    target.close()
    target = connect(Host(name="local", path=str(tmp_path), tools_image="opslib-lab/no-such-tools:1"))
    with pytest.raises(OpsError, match="tools_image opslib-lab/no-such-tools:1") as caught:
        ensure_tools(target, here)
    assert "nothing has been stopped" in (caught.value.left or "")
    target.close()
