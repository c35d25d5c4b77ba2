"""The demo's main part: rag-engine-mini on this machine and on a server reached over SSH."""

from __future__ import annotations

import shlex
from typing import Any

from . import lab
from .folder import Folder
from .place import PROJECT, SERVER_CONTAINER, Fingerprint, Place, differences, total
from .screen import DemoError, Screen

DATA = ("table", "redis", "points", "sqlite", "uploads")  # what the parts of a fingerprint begin with


def run(screen: Screen, folder: Folder) -> list[str]:
    """All of it, with an engine there; returns what a person types to do it again.

    Raises DemoError where data are not as they were.
    """
    with screen.step("engine, images and a server (scripts/lab)"):
        found = lab.images_and_server(screen, folder)
    places = places_of(found)
    refuse_another_demo(screen, folder, places[0])
    with screen.step(f"a copy of examples/rag-engine-mini in {folder.path}"):
        folder.fill(screen, found)
        note_tools(screen, folder, places[0])

    def inv(*words: str) -> None:
        with screen.step(f"inv {' '.join(words)}"):
            screen.inv(*words, cwd=folder.project)

    def restore() -> None:
        for place in places:
            inv("restore", "--file", "latest", "--yes", "--host", place.host)
        folder.note(destroyed=False)

    if folder.state.get("destroyed"):
        screen.say("an earlier run was broken off after it had destroyed data: restoring first")
        restore()
    inv("deploy")
    inv("deploy", "--host", "server")
    with screen.step("seed: 200 documents, chunks, vectors, searches, audit log, uploads"):
        for place in places:
            screen.run([*place.docker, "exec", place.container(screen, "api"), "python", "-m", "app.seed"])
    versions = {place.host: place.version(screen) for place in places}
    folder.next_version()
    inv("deploy", "--host", both(places))
    for place in places:
        screen.say(f"   {place.title}: GET /version said {versions[place.host]}, now {place.version(screen)}")
        if place.version(screen) != folder.setting("APP_VERSION"):
            raise DemoError(f"{place.title}: the version that was deployed does not answer")
    fingerprint(screen, folder, places)
    inv("backup.all", "--host", both(places))
    destroy(screen, folder, places)
    restore()
    compare(screen, folder, places)
    return by_hand(folder, places)


def places_of(found: dict[str, Any]) -> list[Place]:
    """This machine and the server, from what `scripts/lab status` says. Raises DemoError where no engine answers."""
    if found["engine"] is None:
        raise DemoError(f"no Docker engine answers; `{lab.LAB} engine` starts it", 3)
    docker = found["engine"]["docker"]
    inside = (docker, "exec", "-i", "-u", "deploy", SERVER_CONTAINER, "docker")
    return [Place("this machine", "local", (docker,)), Place("the server", "server", inside)]


def both(places: list[Place]) -> str:
    """All of them for --host."""
    return ",".join(place.host for place in places)


def fingerprint(screen: Screen, folder: Folder, places: list[Place]) -> None:
    """Note what the data are, for `compare`."""
    with screen.step("fingerprint of all data, to compare with"):
        folder.note(before={place.host: place.fingerprint(screen) for place in places})


def destroy(screen: Screen, folder: Folder, places: list[Place]) -> None:
    """Destroy the data of both, and look that they are gone: a comparison that cannot fail proves nothing."""
    before: dict[str, Fingerprint] = folder.state["before"]
    folder.note(destroyed=True)
    with screen.step("destroy: tables, Redis, vectors, the SQLite file, uploads"):
        for place in places:
            place.python(screen, "destroy")
    for place in places:
        lost = differences(before[place.host], place.fingerprint(screen))
        screen.say(f"   {place.title}: {len(lost)} of {len(before[place.host])} parts are not as before")
        if whole := [kind for kind in DATA if not any(one.startswith(kind) for one in lost)]:
            raise DemoError(f"{place.title}: destroying has left too much: {', '.join(whole)}")


def compare(screen: Screen, folder: Folder, places: list[Place]) -> None:
    """Compare with what `fingerprint` noted. Raises DemoError with every difference."""
    before = folder.state.get("before")
    if not before:
        raise DemoError("there is nothing to compare with: run scripts/demo first", 2)
    with screen.step("compare row by row, point by point and file by file"):
        after = {place.host: place.fingerprint(screen) for place in places}
    wrong = []
    for place in places:
        was = before[place.host]
        left = differences(was, after[place.host])
        wrong += [f"{place.title}: {one}" for one in left]
        if not left:
            screen.say(
                f"   {place.title} is as it was: {total(was, 'table')} rows and {total(was, 'indexes')} indexes in"
                f" PostgreSQL,\n   {total(was, 'redis')} entries in Redis, {total(was, 'points')} points in Qdrant,"
                f" {total(was, 'sqlite')} lines of SQLite,\n   {total(was, 'uploads')} files with owner, mode and time"
            )
    if wrong:
        raise DemoError("not as it was:\n  " + "\n  ".join(wrong))


def refuse_another_demo(screen: Screen, folder: Folder, here: Place) -> None:
    """Containers of our name that were made from another folder are another demo's."""
    filters = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
    label = '{{.Label "com.docker.compose.project.working_dir"}}'
    for other in {*screen.run([*here.docker, "ps", "-a", "--format", label, *filters]).splitlines()} - {""}:
        if not other.startswith(str(folder.path)):
            raise DemoError(f"another demo runs from {other}; OPSLIB_DEMO_DIR=… scripts/demo --down removes it", 2)


def note_tools(screen: Screen, folder: Folder, here: Place) -> None:
    """The tools images that were here before stay here afterwards."""
    if "tools" not in folder.state:
        folder.note(tools=tools_images(screen, here))


def tools_images(screen: Screen, here: Place) -> list[str]:
    """The tools images on this machine's engine."""
    listing = [
        *here.docker,
        "image",
        "ls",
        "--filter",
        "reference=opslib-tools",
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ]
    return screen.run(listing).split()


def by_hand(folder: Folder, places: list[Place]) -> list[str]:
    """What a person types to do each step again."""
    here, server = places
    again = folder.command()
    url = f"http://127.0.0.1:{folder.setting('HTTP_PORT')}"
    return [
        f"cd {shlex.quote(str(folder.project))}",
        "",
        "inv deploy",
        "inv deploy --host server",
        "inv seed",
        f"curl '{url}/search?q=synonyms'; curl '{url}/similar?q=duplicats+rankd+twice'; curl {url}/version",
        f"sed -i 's/^APP_VERSION=.*/APP_VERSION={int(folder.setting('APP_VERSION')) + 1}/' .env .env.server",
        f"inv deploy --host {both(places)}",
        f"{again} --fingerprint",
        f"inv backup.all --host {both(places)}",
        here.python_by_hand("destroy"),
        server.python_by_hand("destroy"),
        "inv restore --file latest --host local",
        "inv restore --file latest --host server",
        f"{again} --compare",
        f"inv ps --host {both(places)}; inv releases; inv backup.list",
    ]
