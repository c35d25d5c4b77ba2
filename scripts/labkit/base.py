"""debian:bookworm-slim from Debian's own packages, for machines where no image registry answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import apt, engine
from .shell import LabError, environment, run, say, state_dir

SUITE = "bookworm"
# Slim: nothing of a package that only people read. The same rule holds for what is installed later.
_SLIM = """path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
_NO_CACHES = """Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
"""


def recipe() -> str:
    """All that the image depends on, to tell whether it must be made again."""
    return Path(__file__).read_text() + apt.debian_archive(SUITE).deb822() + apt.settings_to_carry()


def build(ref: str, label: str) -> None:
    """Import the image, from the tar of an earlier time when its recipe is still the same."""
    folder = state_dir("base")
    tar = folder / f"{SUITE}-{label[-16:]}.tar"
    if not tar.exists():
        _bootstrap(folder / "root", tar)
    say(f"import {ref} from {tar.name}, about 5 s")
    run([engine.client(), "import", "--change", f"LABEL {label}", "--change", 'CMD ["bash"]', tar, ref])


def _bootstrap(root: Path, tar: Path) -> None:
    if os.geteuid() != 0:
        raise LabError("no image registry answers, and only root can build base images from Debian packages", 3)
    if shutil.which("debootstrap", path=environment()["PATH"]) is None:
        if not apt.may_install():
            raise LabError("no image registry answers, and there is no debootstrap to build base images with", 3)
        apt.update()
        apt.install(["debootstrap"])
    archive = apt.debian_archive(SUITE)
    shutil.rmtree(root, ignore_errors=True)
    say(f"debootstrap {SUITE}, about 30 s")
    run(["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, root, archive.uri], limit=900)
    _configure(root, archive)
    part = tar.with_suffix(".part")
    subprocess.run(["tar", "-C", root, "-cf", part, "--one-file-system", "."], check=True)
    for old in tar.parent.glob("*.tar"):
        old.unlink()
    part.rename(tar)
    shutil.rmtree(root)


def _configure(root: Path, archive: apt.Archive) -> None:
    """Sources and settings with which `apt-get install` works inside a build, and without what only people read."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    (root / "etc/apt/sources.list.d/debian.sources").write_text(archive.deb822())
    (root / "etc/apt/apt.conf.d/90lab").write_text(_NO_CACHES + apt.settings_to_carry())
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM)
    key = Path(archive.signed_by)
    if archive.signed_by.startswith("/") and key.is_file():
        copy = root / archive.signed_by.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(key, copy)
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    for folder in ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"):
        for path in sorted((root / folder).rglob("*"), reverse=True):
            if not path.is_dir() and path.name != "copyright":
                path.unlink()
    for folder in ("var/lib/apt/lists", "var/cache/apt", "var/log"):
        for path in (root / folder).rglob("*"):
            if path.is_file():
                path.unlink()
