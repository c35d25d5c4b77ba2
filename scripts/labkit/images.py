"""The lab's images: pulled where a registry answers, otherwise built from Debian packages. Rebuilt when changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import base, engine, wheels
from .shell import PREFIX, LabError, attempt, run, say, state_dir

RECIPES = Path(__file__).parent / "images"
# The label must not be LABEL: containers inherit their image's labels, and `down` removes what LABEL marks.
RECIPE_LABEL = "opslib.lab.recipe"


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the lab."""

    name: str
    tag: str
    seconds: int
    official: bool = True  # a registry has an image of this name that can be used instead
    registry: str = ""  # its reference there, if that is another
    preloaded: bool = True  # the first server has it from the start
    up: bool = True  # `scripts/lab up` makes it; else what needs it does
    real: str = ""  # the environment variable that names the real program, or a folder of them, for a stand-in
    beside: str = ""  # the recipe whose further files it is built with

    @property
    def ref(self) -> str:
        return f"{PREFIX}{self.name}:{self.tag}"

    @property
    def in_registry(self) -> str:
        return self.registry or f"{self.name}:{self.tag}"


DEBIAN = Image("debian", "bookworm-slim", 40)
PYTHON = Image("python", "3.11-slim", 40)
BUSYBOX = Image("busybox", "1", 10)
SERVER = Image("server", "1", 60, official=False, preloaded=False)
REGISTRY = Image("registry", "lab", 25, official=False, preloaded=False)
CERTBOT = Image("certbot", "2.1", 40, official=False, preloaded=False, up=False)
ACME = Image("acme", "2.4", 25, official=False, preloaded=False, up=False)
# Machines without anything, for `scripts/lab server --bare`; made when one is asked for.
BARE = {
    "13": Image("bare", "trixie", 90, official=False),
    "12": Image("bare", "bookworm", 40, official=False),
    "engine": Image("bare-engine", "1", 30, official=False, beside="bare"),
}
# In the order in which they are made: every recipe begins with the first.
IMAGES = (
    DEBIAN,
    PYTHON,
    Image("postgres", "15", 30),
    Image("postgres", "17", 50, preloaded=False),
    Image("redis", "7", 15),
    Image("nginx", "1", 15),
    BUSYBOX,
    Image("mongo", "7", 40, preloaded=False, real="OPSLIB_MONGO_TOOLS"),
    Image("mariadb", "10.11", 35, preloaded=False),
    Image("qdrant", "v1.15.4", 15, registry="qdrant/qdrant:v1.15.4", preloaded=False, real="OPSLIB_QDRANT_BINARY"),
    SERVER,
    REGISTRY,
    CERTBOT,
    ACME,
)
UP = tuple(image for image in IMAGES if image.up)


def ensure(images: Iterable[Image] = UP) -> None:
    """Make what is missing or was made from another recipe; nothing to do takes no time."""
    there = present()
    made = False
    for image in images:
        pulled = registry_answers()
        recipe = "pulled" if pulled and image.official else _recipe(image)
        if image.ref in there and (recipe == "pulled" or there[image.ref] == recipe):
            continue
        made = True
        if recipe == "pulled":
            say(f"pull {image.in_registry}")
            if not _pull(image, limit=900):
                raise LabError(f"the image registry does not give {image.in_registry}")
        elif image == DEBIAN:
            base.build(image.ref, f"{RECIPE_LABEL}={recipe}")
        else:
            _build(image, recipe)
    if made:
        _remove_replaced()


def present() -> dict[str, str]:
    """The lab's images that the engine has: reference to the recipe that it was made from."""
    docker = engine.client()
    refs = run([docker, "image", "ls", "--filter", f"reference={PREFIX}*", "--format", "{{.Repository}}:{{.Tag}}"])
    found: dict[str, str] = {}
    names = [ref for ref in refs.split() if not ref.endswith(":<none>")]
    if names:
        for image in json.loads(attempt([docker, "image", "inspect", *names]).stdout or "[]"):
            recipe = (image["Config"].get("Labels") or {}).get(RECIPE_LABEL, "")
            found.update(dict.fromkeys(image["RepoTags"], recipe))
    return {ref: recipe for ref, recipe in found.items() if ref.startswith(PREFIX)}


def named(ref: str) -> str:
    """The full reference of an image that a person names as `postgres`, `postgres:15` or in full."""
    for image in IMAGES:
        if ref in (image.name, f"{image.name}:{image.tag}", image.ref):
            return image.ref
    return ref


def registry_answers() -> bool:
    """Whether official images can be pulled, tried once with the smallest of them; `down --all` forgets the answer."""
    answer = state_dir() / "registry"
    if not answer.exists():
        say("look whether an image registry answers, 10 s at most")
        pulled = _pull(BUSYBOX, limit=10)
        say("a registry answers: images are pulled" if pulled else "no registry answers: images are built from Debian")
        answer.write_text("yes" if pulled else "no")
    return answer.read_text() == "yes"


def forget_registry() -> None:
    (state_dir() / "registry").unlink(missing_ok=True)


def _recipe(image: Image) -> str:
    """A digest of everything that an image is made from, its parent included."""
    if image == DEBIAN:
        return hashlib.sha256(base.recipe().encode()).hexdigest()
    origin = SERVER if image == BARE["engine"] else DEBIAN
    parent = "pulled" if registry_answers() and origin.official else _recipe(origin)
    digest = hashlib.sha256(parent.encode())
    for path in (*_files(image), *_real(image)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    if image == PYTHON:
        digest.update("".join(wheels.of_examples()).encode())
    return digest.hexdigest()


def _files(image: Image) -> list[Path]:
    """What an image is built from; of another recipe all but its Dockerfile."""
    beside = sorted((RECIPES / image.beside).iterdir()) if image.beside else []
    return [*sorted((RECIPES / image.name).iterdir()), *(path for path in beside if path.name != "Dockerfile")]


def _real(image: Image) -> list[Path]:
    """The real programs that this machine's owner has for an image of stand-ins."""
    value = os.environ.get(image.real) if image.real else None
    if not value:
        return []
    path = Path(value).expanduser()
    found = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    if not found or not path.exists():
        raise LabError(f"{image.real}: there is no program at {path}", 2)
    return found


def _pull(image: Image, limit: float) -> bool:
    """Whether the official image came within `limit` seconds; it stays under its own name only if it was there."""
    docker, official = engine.client(), image.in_registry
    had = attempt([docker, "image", "inspect", official]).returncode == 0
    if attempt([docker, "pull", "-q", official], limit=limit).returncode != 0:
        return False
    run([docker, "tag", official, image.ref])
    if not had:
        run([docker, "image", "rm", official])
    return True


def _build(image: Image, recipe: str) -> None:
    began = time.monotonic()
    say(f"build {image.ref}, about {image.seconds} s")
    context = state_dir("build") / image.name
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    for path in _files(image):
        shutil.copy(path, context)
    if image.real:
        (context / "real").mkdir()
        for path in _real(image):
            shutil.copyfile(path, context / "real" / path.name)
    args = ["--build-arg", f"IMAGES={PREFIX}", "--build-arg", f"TAG={image.tag}"]
    argv = [engine.client(), "build", "-q", *args, "--label", f"{RECIPE_LABEL}={recipe}"]
    if image == PYTHON:
        bare = f"{PREFIX}python:bare"
        run([*argv, "--target", "bare", "-t", bare, context], limit=900)
        wheels.collect(context / "wheels", bare, wheels.of_examples())
    elif (context / "requirements.txt").exists():
        wheels.collect(context / "wheels", PYTHON.ref, [(context / "requirements.txt").read_text()])
    run([*argv, "-t", image.ref, context], limit=900)
    if image == PYTHON:
        run([engine.client(), "image", "rm", bare])
    shutil.rmtree(context)
    say(f"built {image.ref} in {time.monotonic() - began:.0f} s")


def remove() -> None:
    """Remove every image of the lab. Containers that still run from one keep its layers until they go."""
    refs = sorted(present())
    if refs:
        say(f"remove {len(refs)} images")
        run([engine.client(), "image", "rm", "-f", *refs])
    _remove_replaced()


def _remove_replaced() -> None:
    """Images that lost their name to a newer build; one that a container still uses stays until a later time."""
    nameless = ["--filter", "dangling=true", "--filter", f"label={RECIPE_LABEL}"]
    for image in run([engine.client(), "image", "ls", "-q", *nameless]).split():
        attempt([engine.client(), "image", "rm", image])
