"""Which files a deploy writes and removes, and the lists of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.compose.project import Mount, Project, Service
from opslib.deploy.files import There, decide, mounts_of
from opslib.deploy.sources import Source, read
from opslib.state.sums import parse_sums, sums


def one(text: str, mode: int = 0o644) -> Source:
    return Source(hashlib.sha256(text.encode()).hexdigest(), mode, len(text))


def there(text: str, executable: bool = False) -> There:
    return There(one(text).sha256, executable)


def sha(text: str) -> str:
    return one(text).sha256


@pytest.mark.parametrize(
    "wanted, recorded, seen, data, expected",
    [
        (one("a"), None, None, (), "added"),
        (one("a"), None, there("a"), (), None),
        (one("a", 0o755), sha("a"), there("a"), (), "changed"),
        (one("b"), sha("a"), there("a"), (), "changed"),
        (one("b"), sha("a"), there("hand"), (), "edited"),
        (one("a"), sha("a"), there("hand"), (), "edited"),
        (one("b"), None, there("hand"), (), "replaced"),
        (one("b"), None, there("hand"), ("d",), "kept"),
        (one("b"), sha("a"), there("a"), ("d",), "changed"),
        (one("b"), sha("a"), there("hand"), ("d",), "kept"),
        (one("b"), sha("a"), None, ("d",), "kept"),
        (one("b"), None, None, ("d",), "added"),
        (None, sha("a"), there("a"), (), "removed"),
        (None, sha("a"), there("hand"), (), "stays"),
        (None, sha("a"), there("a"), ("d",), "stays"),
        (None, sha("a"), None, (), None),
        (one("b"), None, There(""), ("d",), "kept"),
    ],
)
def test_one_file(
    wanted: Source | None, recorded: str | None, seen: There | None, data: tuple[str, ...], expected: str | None
) -> None:
    path = "d/file"
    found = decide(
        {path: wanted} if wanted else {}, {path: recorded} if recorded else {}, {path: seen} if seen else {}, data
    )
    lists = {name: getattr(found, name) for name in found.__dataclass_fields__}
    assert {name for name, paths in lists.items() if paths} == ({expected} if expected else set())
    assert bool(found) == (expected not in (None, "kept", "stays"))


@given(st.sets(st.text(min_size=1).filter(lambda p: "\0" not in p), max_size=8), st.data())
def test_what_no_release_wrote_is_never_removed(paths: set[str], data: st.DataObject) -> None:
    words = st.sampled_from(["a", "b", "c"])
    wanted = {p: one(data.draw(words)) for p in paths if data.draw(st.booleans())}
    recorded = {p: sha(data.draw(words)) for p in paths if data.draw(st.booleans())}
    seen = {p: there(data.draw(words)) for p in paths if data.draw(st.booleans())}
    found = decide(wanted, recorded, seen, ())
    for path in found.removed:
        assert recorded[path] == seen[path].sha256
        assert path not in wanted
    for path in found.write:
        assert path in wanted


@given(st.dictionaries(st.text(min_size=1).filter(lambda p: "\0" not in p), st.just("0" * 64)))
def test_sums_read_back(files: dict[str, str]) -> None:
    files = {path: digest for path, digest in files.items() if path.isprintable() or "\n" in path}
    assert parse_sums(sums(files)) == files


def test_sums_are_what_sha256sum_checks(tmp_path: Path) -> None:
    names = ["plain", "with space", "back\\slash", "new\nline", "-dash", "é 'q' $x"]
    for name in names:
        (tmp_path / name).write_text(name)
    found, left = read(tmp_path, names)
    assert left == []
    (tmp_path / "sums").write_text(sums({path: source.sha256 for path, source in found.items()}))
    subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "sums"], cwd=tmp_path, check=True)


def test_links_out_of_the_project_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_text("x")
    (root / "inside").write_text("x")
    (root / "run").write_text("x")
    os.chmod(root / "run", 0o755)
    (root / "good").symlink_to("inside")
    (root / "bad").symlink_to("../outside")
    (root / "broken").symlink_to("nothing")
    found, left = read(root, ["inside", "good", "bad", "broken", "absent", "run"])
    assert (set(found), left) == ({"inside", "good", "run"}, ["bad", "broken"])
    assert (found["run"].executable, found["inside"].executable) == (True, False)


def test_mounts() -> None:
    service = Service(
        "web", "image",
        mounts=(Mount("bind", "/srv/app/conf", "/c", True), Mount("bind", "/srv/app/uploads/", "/u"),
                Mount("bind", "/etc/ssl", "/s"), Mount("volume", "data", "/d"),
                Mount("secret", "/srv/app/pw", "/p", True),
                Mount("bind", "/srv/app", "/all")),
    )  # fmt: skip
    found = mounts_of(Project("x", {"web": service}, root="/srv/app"))
    assert (found.read, found.write) == ({"conf", "pw"}, {"uploads"})
