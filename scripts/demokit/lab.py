"""The demo's engine, images and server, by scripts/lab."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .folder import Folder
from .place import SERVER
from .screen import CHECKOUT, DemoError, Screen

LAB = CHECKOUT / "scripts" / "lab"
SERVER_IMAGES = "postgres,redis,qdrant,nginx"  # what the stack does not build itself


def status(screen: Screen) -> dict[str, Any]:
    """What is there now; `engine` is None where none answers."""
    found: dict[str, Any] = json.loads(screen.run([LAB, "status", "--json"]))
    return found


def engine(screen: Screen, folder: Folder, yes: bool) -> bool:
    """See to an engine; False where there is none and none can be installed."""
    before = status(screen)
    if before["engine"] is None or not before["engine"]["compose"]:
        # with the terminal: it says what it is about to install, and asks
        code = subprocess.run([LAB, "engine", *(["--yes"] if yes else [])]).returncode
        if code == 3:
            return False
        if code:
            raise DemoError("no engine", code)
    if "lab_images" not in folder.state:  # what the demo did not make it leaves alone at the end
        folder.note(lab_images=not before["images"])
    return True


def images_and_server(screen: Screen, folder: Folder) -> dict[str, Any]:
    """The lab's images, and a server of the demo's own; what is there already is kept."""
    screen.run([LAB, "images", "--yes", "--json"], show=True)
    screen.run([LAB, "server", SERVER, "--images", SERVER_IMAGES, "--yes", "--json"], show=True)
    return status(screen)


def down(screen: Screen, folder: Folder) -> None:
    """Remove the demo's server with all that is in it, and the lab's images where the demo made them."""
    found = status(screen)
    names = [server["name"] for server in found["servers"]]
    if SERVER in names:
        screen.run([LAB, "server", SERVER, "--down", "--json"], show=True)
        names.remove(SERVER)
    if folder.state.get("lab_images"):
        if names:
            screen.say(f"  left: the lab, because it has other servers: {', '.join(names)}; scripts/lab down --all")
        else:
            screen.run([LAB, "down", "--all", "--json"], show=True)
