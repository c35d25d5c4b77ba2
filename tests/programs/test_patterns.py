"""Patterns of files: what GNU find makes of them in the tools container, and Python where there is none, is the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opslib.backup import chosen, embedded
from opslib.backup.tree import Files
from opslib.engines import tree
from opslib.errors import BadSettings, OpsError
from opslib.settings import globs
from opslib.settings.kinds import Files as Spec
from opslib.settings.model import Backup, Host
from opslib.target.local import Local

A, B, D = "conf/a.yml", "conf/b.yml", "conf/.d.yml"
ODD = ("uploads/[x]*.pdf", "uploads/new\nline.pdf", "uploads/-dash.pdf", "uploads/a b'c\"$d.pdf", "uploads/caf\udce9.pdf",
       "uploads/x.pdf/inside")  # fmt: skip
TWO, THREE = ("uploads/2024/a/2.pdf", "uploads/2024/a/2.tmp"), ("uploads/2024/cache/3.pdf", "uploads/2024/cache/deep/4")

NAMES = (
    "app.yml", "app.env", ".hidden", ".opslib/run.log", "backups/s/manifest.json", "conf/a.yml", "conf/b.yml",
    "conf/sub/c.yml", "conf/.d.yml", "cache/x", "uploads/1.pdf", "uploads/1.txt", "uploads/empty/", "uploads/é.txt",
    "uploads/cache.pdf", *ODD, *TWO, *THREE,
)  # fmt: skip

# paths, what is left out, and what is packed: files, and folders that are empty in the archive
TABLE: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    (("uploads/**/*.pdf",), (), ("uploads/1.pdf", TWO[0], THREE[0], "uploads/cache.pdf", *ODD)),
    (("conf/*.yml",), (), (A, B, D)),
    (("conf/[ab].yml", "app.env"), (), (A, B, "app.env")),
    (("conf/[!a].yml",), (), (B,)),
    (("conf/?.yml",), (), (A, B)),
    (("*.yml",), (), ("app.yml",)),
    (("**/*.yml",), (), ("app.yml", A, B, D, "conf/sub/c.yml")),
    (("*/*.yml",), (), (A, B, D)),
    (("conf/**",), ("sub",), (A, B, D)),
    (("uploads/2024/*",), ("cache/",), (*TWO, "uploads/2024/cache")),
    (("uploads/2024/*",), ("cache",), TWO),
    (("uploads/2024/*",), ("uploads/2024/a/*.tmp", "3.*"), (TWO[0], THREE[1])),
    (("uploads/*[*]*",), (), (ODD[0],)),
    (("uploads/caf?.pdf",), (), (ODD[4],)),
    (("uploads/??.txt",), (), ("uploads/é.txt",)),
    (("uploads/new*",), (), (ODD[1],)),
    (("conf", "app.*"), (".*", "b.yml"), (A, "conf/sub/c.yml", "app.yml", "app.env")),
    (("uploads/empty/", "*.env"), (), ("uploads/empty", "app.env")),
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = str(tmp_path_factory.mktemp("pro 'ject' $x"))
    for name in NAMES:
        folder, _, file = name.rpartition("/")
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        if file:
            Path(f"{root}/{name}").write_text(name, errors="surrogateescape")
    return root


def find(root: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> Files:
    host = Host(name="local", path=root, backup=Backup(sources=(Spec(paths=paths, exclude=exclude),)))
    return chosen.find(Local(host), "", Spec(paths=paths, exclude=exclude))


def by_find(source: Files) -> list[str]:
    """The names that the tools container's script hands to tar."""
    text = f'{tree._NAMES}t=$(mktemp -d); cd -- "$1"; exclude=$2 chosen=$3; shift 3; names "$@"; rm -r "$t"'
    words = [source.base, globs.regex(source.exclude), globs.regex(source.globs), *map(tree.inside, source.paths)]
    env = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", text, "x", *words], capture_output=True, check=True, env=env)
    assert not done.stderr
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def by_python(source: Files) -> list[str]:
    patterns = globs.regex(source.exclude), globs.regex(source.globs)
    return embedded.names(source.base, list(source.paths), *patterns, list(source.without))


@pytest.mark.parametrize(("paths", "exclude", "wanted"), TABLE)
def test_find_and_python_choose_the_same(
    root: str, paths: tuple[str, ...], exclude: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    source = find(root, tuple(map(globs.path, paths)), tuple(map(globs.exclude, exclude)))
    names = by_python(source)
    assert names == by_find(source)
    above = {os.path.dirname(name) for name in names}
    assert sorted(name[2:] for name in names if name not in above) == sorted(wanted)
    begin = {os.path.dirname(f"./{path}") for path in source.paths}
    assert above <= {*names, *begin}, "the folders on the way are there, with their owners and modes"


def test_a_volume_is_left_out_of_at_any_depth(root: str) -> None:
    source = Files(root, (".",), exclude=globs.below(("cache/", "*.pdf", "conf/*")))
    names = by_python(source)
    assert names == sorted(by_find(source), key=os.fsencode)
    assert not [name for name in names if name.endswith((".pdf", ".yml/x")) or "/cache/" in name]
    assert "./uploads/2024/cache" in names
    assert "./conf" in names


@pytest.mark.parametrize("missing", ["nothing*", "uploads/*.doc", "gone.txt", ".opslib/*", "backups/**/*.json"])
def test_what_matches_nothing_is_an_error_that_names_it(root: str, missing: str) -> None:
    with pytest.raises(OpsError, match="nothing matches") as error:
        find(root, ("conf/*.yml", missing), ())
    assert missing in error.value.what
    assert "conf/*.yml" not in error.value.what


def test_sources_that_reach_into_one_another_are_refused(root: str) -> None:
    target = Local(Host(name="local", path=root))
    one, other = find(root, ("uploads/*.pdf",), ()), find(root, ("uploads/2024/*",), ())
    with pytest.raises(BadSettings, match=r"both reach into uploads"):
        chosen.apart(target, [one, other])
    chosen.apart(target, [one, find(root, ("conf/*.yml",), ())])


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("/etc/*", "inside the project"), ("../*.yml", "inside the project"), ("a/../*", "inside the project"),
     ("a**", "stand alone"), ("a//*", "between the slashes"), ("[]", "brackets"), ("[a", "brackets"),
     ("[z-a]", "brackets"), ("[[:alpha:]]", "brackets"), ("[é]*", "brackets"), ("[+--]", "brackets")],
)  # fmt: skip
def test_patterns_that_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        globs.path(pattern)


@pytest.mark.parametrize("pattern", ["/tmp", "../x", "a/../b", "~x", "", "/", "a//b", "x**y", "[", 5])
def test_excludes_that_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        globs.exclude(pattern)
