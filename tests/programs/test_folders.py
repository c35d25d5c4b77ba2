"""Which folders hold data that services would lose sight of: looked at on this machine."""

from __future__ import annotations

from pathlib import Path

from opslib.compose.stack import Stack
from opslib.deploy import look_losses
from opslib.deploy.losses import Held
from opslib.settings.model import Backup, Host
from opslib.target.connect import connect
from tests.unit.deploy.test_losses import DATA, VOLUMES, Project, project


def test_the_look_at_folders(tmp_path: Path) -> None:
    root = tmp_path / "a 'b' $c"
    (root / "full/below").mkdir(parents=True)
    (root / "full/.hidden\nname").touch()
    (root / "empty").mkdir()
    (root / "link").symlink_to(root / "full")
    target = connect(Host(name="local", path=str(root)))
    paths = {name: f"{root}/{name}" for name in ("full", "empty", "link", "absent", "full/.hidden\nname")}
    seen = look_losses.look_at(target, paths.values())
    assert set(seen[paths["full"]].names) == {"below", ".hidden\nname"}
    assert [seen[path].what for path in paths.values()] == ["folder", "folder", "folder", "none", "file"]
    assert seen[paths["link"]].real == str(root / "full")
    assert seen[paths["empty"]].names == ()


def test_what_the_host_file_leaves_out_and_copies_of_a_release(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/photo").touch()
    copied = Held("web", "bind", f"{tmp_path}/.opslib/releases/R1/compose/uploads", "/u")
    stack = Stack("p", all_volumes=tuple(VOLUMES.values()))

    def found(now: Project, *exclude: str) -> list[str]:
        target = connect(Host(name="local", path=str(tmp_path), backup=Backup(exclude=exclude)))
        return [one.held.name for one in look_losses.losses_of(target, [copied, DATA], now, stack, [])]

    same = project(web=[f"bind {tmp_path}/uploads /u"], db=["volume data /var/lib/data"])
    assert found(same) == []
    assert found(project(web=[], db=[])) == [str(tmp_path / "uploads"), "p_data"]
    assert found(project(web=[], db=[]), "data", "uploads") == []
