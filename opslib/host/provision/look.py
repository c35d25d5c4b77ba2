"""The one look at a machine: all facts in a round trip, and what is to be done by them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from opslib.errors import OpsError
from opslib.host.provision.part import Change, Facts, System, Wanted
from opslib.host.provision.parts import ASKED, PARTS
from opslib.settings.provision import Part as Name

LIMIT = 90.0  # seconds that a look may take; each program in it has 20


@cache
def text(name: str) -> str:
    """One of the bash texts beside this module, without comments."""
    lines = resources.files("opslib.host.provision").joinpath(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line and not line.startswith("#")) + "\n"


def words(wanted: Wanted) -> tuple[str, ...]:
    """What the look is told: `$1` and so on of look.bash."""
    asked = dict.fromkeys((*ASKED, *wanted.settings.packages))
    return (wanted.user, wanted.folder, wanted.settings.textfile, " ".join(asked))


def parsed(lines: list[str], host: str) -> dict[str, str]:
    """The facts in what the look has printed. Raises OpsError where it has not come to its end."""
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    if found.get("end") != "yes":
        raise OpsError("the look at the machine broke off before its end", host=host, left="everything",
                       next="run it again")  # fmt: skip
    return found


def to_do(facts: Facts, wanted: Wanted, host: str) -> dict[Name, Change]:
    """What is to be done, by part, in order. Raises OpsError for a system that is not known, and where a part cannot be
    as it is wanted."""
    system = System(facts)
    if not system.supported:
        missing = [name for name, key in (("apt", "os.apt"), ("systemd", "os.systemd")) if facts.get(key) != "yes"]
        why = f" without {' and '.join(missing)}" if missing else ""
        raise OpsError(
            f"this is {system.name}{why}, and host.provision knows Debian from 12 on, Ubuntu from 22.04 on, and what "
            "is made of them", host=host, left="everything",
            next=f"make it ready by hand, and look with inv host.check --host {host}",
        )  # fmt: skip
    found: dict[Name, Change] = {}
    for part in PARTS:
        if part.name in wanted.settings.skip:
            continue
        try:
            change = part.decide(facts, wanted)
        except OpsError as error:
            raise error.on(host) from None
        if change is not None:
            found[part.name] = change
    return found
