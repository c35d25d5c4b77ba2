"""This machine's package archive as its own apt configuration describes it, and installing from it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from .shell import LabError, attempt, read_ini, run, say

# What apt needs to be told on this machine it needs inside a build too.
_CARRIED = (
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
)


@dataclass(frozen=True, slots=True)
class Archive:
    """One package source. `signed_by` is a key file or a whole key block, as it stood in the configuration."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    def deb822(self) -> str:
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {' '.join(self.suites)}"]
        lines.append(f"Components: {' '.join(self.components)}")
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def parse_deb822(text: str) -> list[Archive]:
    """Archives of a *.sources file; switched off ones and source packages are left out."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(line for line in text.splitlines() if line[:1] != "#")):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^([A-Za-z-]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        suites, components = tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split())
        found += [Archive(uri, suites, components, fields.get("signed-by", "")) for uri in fields["uris"].split()]
    return found


def parse_list(text: str) -> list[Archive]:
    """Archives of a one-line-style *.list file."""
    found = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line.strip())
        if match:
            options = dict(option.split("=", 1) for option in shlex.split(match[1] or "") if "=" in option)
            signed_by = options.get("signed-by", "")
            found.append(Archive(match[2], (match[3],), tuple(match[4].split()), signed_by))
    return found


def archives(root: Path = Path("/etc/apt")) -> list[Archive]:
    found = []
    for path in [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            found += parse_deb822(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            found += parse_list(path.read_text())
    return found


def debian_archive(suite: str) -> Archive:
    """`main` of a Debian release, from the mirror that this machine uses. LabError when it uses none."""
    own = os_release()[1] if os_release()[0] == "debian" else ""
    for wanted in (suite, own, "bookworm"):
        for archive in archives():
            if wanted in archive.suites and "main" in archive.components:
                return replace(archive, suites=(suite,), components=("main",))
    raise LabError(f"apt on this machine has no Debian source to take {suite} from", 3)


def settings_to_carry() -> str:
    """The lines of this machine's apt configuration that a build inside a container needs as well."""
    dump = attempt(["apt-config", "dump", "--format", '%f "%v";%n', *_CARRIED]).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if not line.endswith('"";'))


def os_release() -> tuple[str, str]:
    """(distribution, codename): ("debian", "bookworm"), ("ubuntu", "noble"), ("", "") elsewhere."""
    path = Path("/etc/os-release")
    facts = read_ini(path.read_text()) if path.exists() else {}
    family = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    name = next((one for one in ("ubuntu", "debian") if one in family), "")
    return name, facts.get("UBUNTU_CODENAME") or facts.get("VERSION_CODENAME", "")


def may_install() -> bool:
    return os.geteuid() == 0 and os_release()[0] != "" and attempt(["apt-get", "--version"]).returncode == 0


def update() -> None:
    say("apt-get update")
    run(["apt-get", "update", "-q"], limit=300)


def install(packages: list[str]) -> None:
    """Name each package that is going to be installed, one a line, then install them."""
    argv = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    for line in run([*argv, "-s"]).splitlines():
        match = re.match(r"Inst (\S+) (?:\[\S+\] )?\((\S+)", line)
        if match:
            say(f"install {match[1]} {match[2]}")
    run([*argv, "-q"], limit=900)
