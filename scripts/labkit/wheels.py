"""The wheels that the examples and the lab's own images need, fetched outside image builds.

A build has neither this machine's certificates nor its pip settings. So pip runs in a container of the lab's own
Python (another version would choose other wheels) with this machine's network, certificates and package index.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
from pathlib import Path

from . import engine
from .shell import CHECKOUT, LABEL, run, say, state_dir

# Building from source inside an image, and `pip install --upgrade pip`, ask for these.
_ALWAYS = "pip\nsetuptools\nwheel\n"
_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def of_examples() -> list[str]:
    """The text of each requirements file whose wheels the Python image carries; it is made again when one changes."""
    return [_ALWAYS, *(path.read_text() for path in sorted(CHECKOUT.glob("examples/*/*/requirements.txt")))]


def collect(into: Path, python_image: str, requirements: list[str]) -> None:
    """Fill the folder with the wheels; each requirements file is fetched once and kept."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for text in requirements:
        folder = state_dir("wheels") / hashlib.sha256(text.encode()).hexdigest()[:16]
        if not folder.exists():
            _download(text, folder, python_image)
        for wheel in folder.glob("*.whl"):
            if not (into / wheel.name).exists():
                os.link(wheel, into / wheel.name)


def _download(text: str, folder: Path, python_image: str) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    (part / "requirements.txt").write_text(text)
    count = sum(1 for line in text.splitlines() if line.strip() and not line.startswith("#"))
    say(f"pip download, {count} requirements, about 20 s")
    argv = [engine.client(), "run", "--rm", "--network", "host", "--label", LABEL, "-v", f"{part}:/out"]
    bundle = Path(os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt")
    if bundle.is_file():
        argv += ["-v", f"{bundle.resolve()}:/certificates.crt:ro", "-e", "PIP_CERT=/certificates.crt"]
    # The Python image of the lab has settings of its own, for builds without a network.
    for name, value in {"PIP_NO_INDEX": "false", **pip_settings()}.items():
        argv += ["-e", f"{name}={value}"]
    owner = f"{os.getuid()}:{os.getgid()}"
    script = f"pip download -q --only-binary=:all: -d /out -r /out/requirements.txt && chown -R {owner} /out"
    run([*argv, python_image, "bash", "-c", script], limit=900)
    part.rename(folder)


def pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages, as PIP_* variables: environment over user's file over system's."""
    found = {}
    home = Path.home()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(["/etc/pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"])
    for name in _SETTINGS:
        variable = "PIP_" + name.upper().replace("-", "_")
        value = os.environ.get(variable) or parser.get("global", name, fallback="")
        if value:
            found[variable] = value
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if os.environ.get(name):
            found[name] = os.environ[name]
    return found
