"""The demo's main part: rag-engine-mini on this machine and on a server reached over SSH."""

from __future__ import annotations

import shlex
from typing import Any

from . import lab
from .folder import Folder
from .place import PROJECT, SERVER_CONTAINER, Fingerprint, Place, differences, total
from .screen import CHECKOUT, DemoError, Screen


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

    def each(task: str, *words: str) -> None:
        for place in places:
            argv = [task, *words, *place.option()]
            with screen.step(f"inv {' '.join(argv)}"):
                screen.inv(*argv, cwd=folder.project)

    if folder.state.get("destroyed"):
        screen.say("an earlier run was broken off after it had destroyed data: restoring first")
        each("restore", "--file", folder.state["destroyed"], "--yes")
        folder.note(destroyed=None)
    each("deploy")
    with screen.step("seed: 200 documents, their chunks, searches, audit log, uploads"):
        for place in places:
            screen.run([*place.docker, "exec", place.container(screen, "api"), "python", "-m", "app.seed"])
    versions = {place.host: place.version(screen) for place in places}
    folder.next_version()
    each("deploy")
    for place in places:
        screen.say(f"   {place.title}: GET /version said {versions[place.host]}, now {place.version(screen)}")
        if place.version(screen) != folder.setting("APP_VERSION"):
            raise DemoError(f"{place.title}: the version that was deployed does not answer")
    before = {place.host: place.fingerprint(screen) for place in places}
    folder.note(before=before)
    each("backup.all")
    destroy(screen, folder, places, before)
    each("restore", "--file", "latest", "--yes")
    folder.note(destroyed=None)
    compare(screen, folder, places)
    return by_hand(folder, places)


def places_of(found: dict[str, Any]) -> list[Place]:
    """This machine and the server, from what `scripts/lab status` says."""
    docker = found["engine"]["docker"]
    inside = (docker, "exec", "-i", "-u", "deploy", SERVER_CONTAINER, "docker")
    return [Place("this machine", "local", (docker,)), Place("the server", "server", inside)]


def destroy(screen: Screen, folder: Folder, places: list[Place], before: dict[str, Fingerprint]) -> None:
    """Destroy the data of both, and look that they are gone: a comparison that cannot fail proves nothing."""
    folder.note(destroyed="latest")
    with screen.step("destroy: tables, Redis, the SQLite file, uploads"):
        for place in places:
            place.python(screen, "destroy")
    for place in places:
        lost = differences(before[place.host], place.fingerprint(screen))
        screen.say(f"   {place.title}: {len(lost)} of {len(before[place.host])} parts are not as before")
        if len(lost) < 5:
            raise DemoError(f"{place.title}: destroying has left too much: only {', '.join(lost)} changed")


def compare(screen: Screen, folder: Folder, places: list[Place]) -> None:
    """Compare with what was there before the backup. Raises DemoError with every difference."""
    before = folder.state.get("before")
    if not before:
        raise DemoError("there is nothing to compare with: run scripts/demo first", 2)
    with screen.step("compare row by row and file by file"):
        after = {place.host: place.fingerprint(screen) for place in places}
    wrong = []
    for place in places:
        was = before[place.host]
        left = differences(was, after[place.host])
        wrong += [f"{place.title}: {one}" for one in left]
        if not left:
            screen.say(
                f"   {place.title} is as it was: {total(was, 'table')} rows and {total(was, 'indexes')} indexes in"
                f" PostgreSQL,\n   {total(was, 'redis')} entries in Redis, {total(was, 'sqlite')} lines of SQLite,"
                f" {total(was, 'uploads')} files with owner, mode and time"
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
    url = f"http://127.0.0.1:{folder.setting('HTTP_PORT')}"
    return [
        f"cd {shlex.quote(str(folder.project))}",
        "",
        "inv deploy",
        "inv deploy --host server",
        "inv seed",
        f"curl '{url}/search?q=synonyms'; curl {url}/version",
        f"sed -i s/^APP_VERSION=.*/APP_VERSION={int(folder.setting('APP_VERSION')) + 1}/ .env .env.server",
        "inv deploy --host local,server",
        "inv backup.all --host local,server",
        here.python_by_hand("destroy"),
        server.python_by_hand("destroy"),
        "inv restore --file latest",
        "inv restore --file latest --host server",
        f"{CHECKOUT / 'scripts' / 'demo'} --compare",
        "inv ps --host local,server; inv releases; inv backup.list",
    ]
