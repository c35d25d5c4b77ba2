"""Taking the demo away: all that it made, and nothing else."""

from __future__ import annotations

import shutil

from . import lab
from .folder import Folder
from .place import PROJECT, Place
from .screen import Screen
from .stack import places_of, tools_images


def down(screen: Screen, folder: Folder) -> None:
    """Remove containers, volumes, networks and images, the server, and the folder."""
    if folder.project.exists():
        here = places_of(lab.status(screen))[0]
        with screen.step("containers, volumes, networks and images of the stack"):
            _remove_project(screen, here)
            _remove_images(screen, here, folder)
        _remove_files(screen, here, folder)
        lab.down(screen, folder)
    _remove_folder(folder)
    screen.say(f"removed {folder.path}")


def _remove_project(screen: Screen, here: Place) -> None:
    mine = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
    for kind, listing, remove in (
        ("container", ["ls", "-aq"], ["rm", "-f", "-v"]),
        ("volume", ["ls", "-q"], ["rm", "-f"]),
        ("network", ["ls", "-q"], ["rm"]),
    ):
        if names := screen.run([*here.docker, kind, *listing, *mine]).split():
            screen.run([*here.docker, kind, *remove, *names])


def _remove_images(screen: Screen, here: Place, folder: Folder) -> None:
    mine = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
    images = {*screen.run([*here.docker, "image", "ls", "-aq", *mine]).split()}
    images |= {*tools_images(screen, here)} - {*folder.state.get("tools", [])}
    if images:
        screen.run([*here.docker, "image", "rm", "-f", *sorted(images)])
    # the releases' own names for images that are not the demo's: the names go, the images stay
    releases = {f"opslib-{one.name}" for one in (folder.project / ".opslib" / "releases").glob("*")}
    names = screen.run([*here.docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).split()
    if pinned := [name for name in names if name.rpartition(":")[2] in releases]:
        screen.run([*here.docker, "image", "rm", *pinned])


def _remove_files(screen: Screen, here: Place, folder: Folder) -> None:
    """Uploads and backups belong to users of the containers; who is not root lets a container delete them."""
    try:
        shutil.rmtree(folder.project)
    except PermissionError:
        mount = ["-v", f"{folder.project}:/demo", "--network", "none", "--rm", "-u", "0"]
        screen.run(
            [
                *here.docker,
                "run",
                *mount,
                "opslib-lab/debian:bookworm-slim",
                "find",
                "/demo",
                "-mindepth",
                "1",
                "-delete",
            ]
        )
        shutil.rmtree(folder.project)


def _remove_folder(folder: Folder) -> None:
    """Only what the demo writes there."""
    for name in ("rag-engine-mini", "embedded"):
        shutil.rmtree(folder.path / name, ignore_errors=True)
    for name in ("demo.log", "state.json"):
        (folder.path / name).unlink(missing_ok=True)
    if not any(folder.path.iterdir()):
        folder.path.rmdir()
