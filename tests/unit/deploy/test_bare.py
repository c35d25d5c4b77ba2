"""What is decided before a project is brought to a new machine: passwords stay out, paths stay in, variables are named."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path

import pytest

from opslib.backup.manifest import Manifest
from opslib.backup.project import private
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.places import relocated
from opslib.compose.project import Project, Service
from opslib.deploy.bare.files import needed, unpack
from opslib.deploy.bare.stack import needs
from opslib.errors import OpsError


@pytest.mark.parametrize(
    "path",
    [".env", ".env.production", "a b/.env", "api.env", "certs/site.key", "x.PEM", "id_ed25519", ".pgpass", "pw.txt"],
)
def test_files_with_passwords_are_left_out(path: str) -> None:
    assert private(path, ["pw.txt"])


@pytest.mark.parametrize(
    "path",
    [".env.example", "prod.env.sample", "compose.yml", "env.py", "keys/readme.md", "a.env/b", "monkey", "x/pw.txt"],
)
def test_others_are_not(path: str) -> None:
    assert not private(path, ["pw.txt"])


def test_variables_without_a_default() -> None:
    text = "a: $ONE ${TWO} $$NOT $${NOT} ${DEFAULT:-x} ${EMPTY-} ${IF_SET:+y} ${MUST:?say so} $$$THREE 5$ ${TWO}"
    assert needed([text, "b: ${FOUR?}"]) == ["FOUR", "MUST", "ONE", "THREE", "TWO"]


def archive(folder: Path, *entries: tuple[str, bytes | str, int]) -> Path:
    """Bytes make a file, text a link."""
    path = folder / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_files_are_unpacked_as_they_were(tmp_path: Path) -> None:
    made = archive(tmp_path, ("./run.sh", b"x", 0o755), ("./a b/ü", b"y", 0o644), ("./link", "run.sh", 0o777))
    folder = tmp_path / "project"
    assert sorted(unpack(made, folder)) == ["a b/ü", "link", "run.sh"]
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "link").read_bytes() == b"x"


@pytest.mark.parametrize(
    "entries",
    [
        [("../x", b"x", 0o644)],
        [("/tmp/x", b"x", 0o644)],
        [("out", "..", 0o777), ("out/x", b"x", 0o644)],
        [("a/../../x", b"x", 0o644)],
    ],
)
def test_what_leads_elsewhere_is_refused(tmp_path: Path, entries: list[tuple[str, bytes | str, int]]) -> None:
    with pytest.raises(OpsError, match="leads out of the project"):
        unpack(archive(tmp_path, *entries), tmp_path / "project")
    assert not (tmp_path / "x").exists()


def test_a_folder_of_the_old_project_is_one_of_the_new() -> None:
    told = Manifest(
        id="x", created="", host="h", project="p", root="/srv/old", by="", opslib="", seconds=0, artifacts=()
    )
    chosen = Chosen("/x", False, told)
    assert relocated(chosen, "/srv/old/data", "/home/new") == "/home/new/data"
    assert relocated(chosen, "/srv/old", "/home/new") == "/home/new"
    assert relocated(chosen, "/srv/older", "/home/new") == "/srv/older"
    assert relocated(Chosen("/x", False), "/srv/old", "/home/new") == "/srv/old"


def test_databases_are_started_with_what_they_need() -> None:
    on = {"init": Service("init", "i"), "db": Service("db", "i", depends_on={"init": "service_completed_successfully"})}
    project = Project("p", {**on, "app": Service("app", "i", depends_on={"db": "service_healthy"})})
    assert needs(project, ("db",)) == ["db", "init"]
