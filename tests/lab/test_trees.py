"""Hostile volumes and folders: what cannot be read twice, has no name in any alphabet, or is bigger than the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.lab.restore_stack import SEE
from tests.lab.site import LABEL, Site, site_on, until

pytestmark = pytest.mark.lab
HERE, THERE = "local", "ssh"
MANY = 200_000

# Each transaction writes to both tables: a copy that holds half of one has different counts.
WRITER = """
import sqlite3, time
base = sqlite3.connect("/base/busy.db", timeout=60, isolation_level=None)
base.execute("pragma journal_mode=wal"); base.execute("pragma wal_autocheckpoint=50")
for name in ("t", "u"): base.execute(f"create table if not exists {name} (x)")
for n in range(200000):
    base.execute("begin immediate"); base.execute("insert into t values (?)", (n,)); time.sleep(.001)
    base.execute("insert into u values (?)", (n,)); base.execute("commit")
"""
IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]
COMPOSE = json.dumps({
    "services": {
        "app": {"image": "${IMAGES}busybox:1", "command": IDLE, "stop_grace_period": "5s",
                "volumes": ["data:/data", "holes:/holes", "many:/many", "./up:/up"]},
        "writer": {"image": "${IMAGES}python:3.11-slim", "command": ["python3", "-c", WRITER],
                   "stop_grace_period": "1s", "volumes": ["base:/base"]},
    },
    "volumes": {"data": {}, "holes": {}, "many": {}, "base": {}},
})  # fmt: skip
SETTINGS = """deploy: {timeout: 120s, stable: 1s}
backup:
  sources:
  - volume: {name: many, exclude: ["skip-*"]}
  - files: {paths: [up], exclude: ["*.tmp"]}
"""

# In $1: what is special, and names of any bytes.
FILL = r"""
import os, socket, sqlite3, sys
os.chdir(sys.argv[1].encode()); os.mkfifo(b"fifo"); socket.socket(socket.AF_UNIX).bind("socket")
for name in (b"caf\xe9", b"\xff\xfe dir/\x80", b"new\nline", b"new\nlines/a\nb", b"-dash", b" blank ", b"keep.tmp"):
    if os.path.dirname(name): os.mkdir(os.path.dirname(name))
    open(name, "wb").write(name)
os.link(b"caf\xe9", b"hard"); os.link(b"fifo", b"fifo too"); os.symlink(b"caf\xe9", b"soft"); os.link(b"soft", b"soft too", follow_symlinks=False)
os.setxattr(b"caf\xe9", b"user.note", b"a\0b"); os.chown(b"new\nline", 1234, 4321); os.chmod(b"new\nline", 0o4640)
base = sqlite3.connect(b"\xe9.db"); base.execute('create table "t a" (x)'); base.commit()
"""
RUIN = r"""
import os, shutil, sys
os.chdir(sys.argv[1].encode())
for name in (b"caf\xe9", b"fifo", b"new\nline", b"keep.tmp"): os.unlink(name)
shutil.rmtree(b"\xff\xfe dir"); open(b"caf\xe9", "wb").write(b"new"); open(b"intruder\xff", "w"); open("keep.tmp", "w")
"""
HOLES = 'import os, sys; os.chdir(sys.argv[1]); f = open("big", "wb"); f.truncate(50 << 30); f.seek(20 << 30); f.write(b"x")'
HOLED = 'import os; s = os.stat("/x/big"); f = open("/x/big", "rb"); f.seek(20 << 30); print(s.st_size, s.st_blocks < 2048, f.read(1))'
FILES = (
    f"import os; os.chdir('/x')\nfor n in range({MANY}):\n"
    + """
    if n % 1000 == 0: os.mkdir(f"{n}")
    open(f"{n - n % 1000}/{'skip-' if n % 10 == 0 else ''}{n}", "x").close()
"""
)


@pytest.fixture(scope="module", params=[HERE, THERE])
def site(request: pytest.FixtureRequest, lab: dict[str, Any],
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # fmt: skip
    server = next((one for one in lab["servers"] if one["name"] == "one"), None)
    if request.param == THERE and server is None:
        missing("the lab has no server `one`: run scripts/lab up")
    root = tmp_path_factory.mktemp(request.param)
    with site_on(root, lab["images_prefix"], server if request.param == THERE else None, compose=COMPOSE,
                 settings=SETTINGS) as made:  # fmt: skip
        made.inv("deploy")
        yield made


def python(site: Site, program: str, place: str) -> str:
    """A program in a container, with a volume, or a folder of the machine, at /x."""
    source = place if place.startswith("/") else f"{site.name}_{place}"
    return site.inside(
        f"docker run --rm -i -v '{source}':/x {site.images}python:3.11-slim python3 - /x <<'END'\n{program}\nEND"
    )


def inv(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    """What a task says of its host."""
    host: dict[str, Any] = json.loads(site.inv(*words, "--json", code=code).splitlines()[-1])["hosts"][0]
    return host


def seen(site: Site, place: str) -> dict[str, Any]:
    """Everything that comes back; a socket does not."""
    found: dict[str, Any] = json.loads(python(site, SEE, place))
    return {name: what for name, what in found.items() if name != "socket"}


def test_odd_things_and_names_come_back(site: Site) -> None:
    """FIFOs do not hang, sockets are named; a renamed container, and a volume that two projects mount."""
    up = f"{site.folder}/up"
    for place in ("data", up):
        python(site, FILL, place)
    good = {place: seen(site, place) for place in ("data", up)}
    assert len(good["data"]) == 16
    site.inside(f"docker rename {site.name}-app-1 'odd.name'")
    stranger = f"docker run -d --init --name {site.name}-x --label {LABEL}.project=neighbour -v {site.name}_data:/d"
    site.inside(f"{stranger} {site.images}busybox:1 sleep 1000")

    result = inv(site, "backup.all")["result"]
    warnings = "\n".join(result["warnings"])
    assert f"volume data is also written to by container {site.name}-x of project neighbour" in warnings
    assert warnings.count("socket: socket ignored") == 2
    assert warnings.count(r"the name of SQLite file b'\xe9.db' is not UTF-8") == 2
    counts = {one["name"]: one["counts"] for one in result["artifacts"]}
    assert counts["data"] == {**counts["data"], "files": 10, "links": 1}, (
        "a second name of a link is a hard link to tar"
    )
    assert counts["up"]["files"] == 9, "without keep.tmp"

    refused = inv(site, "restore.volumes", "--file", "latest", "--yes", code=1)
    assert f"in use by a container outside the project: {site.name}-x" in refused["error"]["what"]
    site.inside(f"docker rm -f {site.name}-x")
    for place in ("data", up):
        python(site, RUIN, place)
    inv(site, "restore", "--file", result["set"], "--yes")
    assert seen(site, "data") == good["data"]
    then = seen(site, up)
    assert then.pop("keep.tmp") != good[up].pop("keep.tmp"), "what is left out stays as it is"
    assert then == good[up]
    assert site.inside("docker inspect -f '{{.State.Status}}' odd.name") == "running"
    site.inside(f"docker rename odd.name {site.name}-app-1")


def test_a_file_of_50_gb_that_is_nearly_all_holes(site: Site) -> None:
    python(site, HOLES, "holes")
    result = inv(site, "backup.volumes")["result"]
    assert next(one["bytes"] for one in result["artifacts"] if one["name"] == "holes") < 100_000
    python(site, "open('/x/big', 'r+b').write(b'y')", "holes")
    inv(site, "restore.volumes", "--file", result["set"], "--yes")
    assert python(site, HOLED, "holes") == f"{50 << 30} True b'x'"
    python(site, "import os; os.unlink('/x/big')", "holes")


def test_a_sqlite_file_with_a_busy_writer(site: Site) -> None:
    count = "import sqlite3; b = sqlite3.connect('/x/busy.db', timeout=60); b.execute('begin')\n"
    count += "print(*[b.execute(f'select count(*) from {t}').fetchone()[0] for t in 'tu'])"
    assert site.container("writer")
    before = python(site, count, "base").split()
    result = inv(site, "backup.all")["result"]
    counts = next(one["counts"] for one in result["artifacts"] if one["kind"] == "sqlite")
    assert counts["t"] == counts["u"] > int(before[0])
    until(lambda: int(python(site, count, "base").split()[0]) > counts["t"], 20, "nobody writes")
    checks = inv(site, "backup.verify", "--set", result["set"])["result"]["artifacts"]
    assert [one["content"] for one in checks if one["file"].startswith("sqlite")] == ["sqlite"]
    done = inv(site, "restore.sqlite", "--file", result["set"], "--yes")["result"]["restored"]
    assert [one["after"] for one in done if "busy.db" in one["part"]] == [counts]
    after = python(site, count, "base").split()
    assert int(after[0]) >= counts["t"]
    assert after[0] == after[1]


@pytest.mark.both
@pytest.mark.parametrize("site", [HERE], indirect=True)
def test_two_hundred_thousand_files(site: Site) -> None:
    python(site, FILES, "many")
    result = inv(site, "backup.volumes")["result"]
    counts = next(one["counts"] for one in result["artifacts"] if one["name"] == "many")
    assert counts == {"files": MANY * 9 // 10, "dirs": MANY // 1000 + 1, "links": 0, "bytes": 0}
    python(site, "import os, shutil; shutil.rmtree('/x/0'); open('/x/1000/skip-1000', 'w').write('new')", "many")
    inv(site, "restore.volumes", "--file", result["set"], "--yes", "--no-safety-copy")
    left = "import os; print(sum(len(f) for _, _, f in os.walk('/x')), os.path.getsize('/x/1000/skip-1000'))"
    assert python(site, left, "many") == f"{MANY - 100} 3", "all but what was left out and then lost"
