"""A provisioning as a run: the look first, then a step for each part that differs, each looked at again when done."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from opslib.command import bash, quote
from opslib.errors import CannotConnect, CommandFailed, HostLost, NeedsYes, OpsError
from opslib.host.provision.look import LIMIT, parsed, text, to_do, words
from opslib.host.provision.outside import warn_of_open
from opslib.host.provision.part import Change
from opslib.host.provision.parts import PARTS
from opslib.host.provision.wanted import as_login, replace_user, wanted
from opslib.run.step import AnyStep, Run, Step
from opslib.settings.model import Host
from opslib.settings.provision import Part as Name
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.root import BEGUN, Ask, Root

Memo = dict[str, Any]
UNDO = 60.0  # seconds after which the machine undoes what could have locked everybody out, as lib.bash is told
_LEFT = '[[ ! -s .opslib/run.log ]] || echo "left=yes"\n'


class Provisioning:
    """One host's: what is wanted, the way to root, and what was seen last."""

    def __init__(self, root: Path, host: Host, ask: Ask | None, *, plan: bool = False) -> None:
        self.host, self._ask, self._plan = host, ask, plan
        self.as_login = as_login(host)
        self.wanted = wanted(root, host)
        self.facts: dict[str, str] = {}
        self.changes: dict[Name, Change] = {}
        self.interrupted = False  # an earlier run was, and has to be ended
        self.agreed = False  # somebody knows what it stops
        self._root: Root | None = None

    @property
    def stops(self) -> str:
        """What somebody has to agree to; "" for nothing."""
        return "; ".join(change.stops for change in self.changes.values() if change.stops)

    def root(self, target: Target) -> Root:
        """The way to root, which is found out once."""
        if self._root is None:
            self._root = Root(target, self.host.provision.sudo_password, self._ask)
        return self._root

    def look(self, run: Run) -> None:
        """See all of it, in one round trip (two where sudo wants a password), and say what is to be done."""
        lines = self.root(run.target).run(text("look.bash"), *words(self.wanted), limit=LIMIT, before=_LEFT)
        self.facts = parsed(lines, run.host)
        self.interrupted = self.facts.get("left") == "yes"
        self.changes = to_do(self.facts, self.wanted, run.host)
        run.result |= {"system": self.facts.get("os.name", ""), "user": self.wanted.user, "login": self.wanted.login,
                       "folder": self.facts["folder.path"], "todo": list(self.changes), "done": []}  # fmt: skip
        if self._plan:
            run.result["plan"] = [{"step": name, "what": change.what} for name, change in self.changes.items()]

    def steps(self, run: Run) -> list[AnyStep]:
        """A step for each part, in the lock, by a look of its own."""
        self.look(run)
        return [self._step(part.name) for part in PARTS if part.name not in self.wanted.settings.skip]

    def _step(self, name: Name) -> Step[Memo]:
        def look(run: Run) -> Memo | None:
            change = self.changes.get(name)
            return None if change is None else {"what": change.what}

        def do(run: Run, memo: Memo) -> str:
            change = self.changes[name]
            if change.stops and not self.agreed:
                raise NeedsYes(f"{change.stops}; that needs --yes", host=run.host, left="what was not done yet")
            if change.guarded:
                self._logins(run, f"{name} stays as it is")
            self._apply(run, name, change)
            if change.guarded:
                self._keep(run, name)
            if (still := self.changes.get(name)) is not None:
                raise OpsError(f"{name}: it was done, and yet: {still.what}", host=run.host,
                               next="look at /var/log/opslib-provision.log there")  # fmt: skip
            if name == "firewall":
                warn_of_open(run, self.facts, self.wanted.settings.open)
            run.result["done"].append(name)
            return change.what

        return Step(name, look, do, show=lambda memo: str(memo["what"]))

    def _apply(self, run: Run, name: Name, change: Change) -> None:
        """Do it, and look at everything again in the same round trip: what one changes others may have waited for."""
        wait = self.wanted.settings.apt_wait
        script = f"APT_WAIT={wait:.0f}\n{text('lib.bash')}( {change.script}\n) || exit\n"
        script += f"set +u; set -- {' '.join(map(quote, words(self.wanted)))}\n{text('look.bash')}"
        cmd = self.root(run.target).command(script, *change.args, data=change.data, limit=change.limit + wait + LIMIT)
        lines: list[str] = []
        try:
            for line in run.target.lines(cmd):
                if line.startswith("! "):
                    run.note(line[2:], warning=True)
                elif line != BEGUN:
                    lines.append(line)
        except CommandFailed as error:
            raise _explained(name, error, run.host) from None
        self.facts = parsed(lines, run.host)
        if change.guarded:  # armed as it still is, it would count as not done
            self.facts.pop(f"undo.{name}", None)
        self.changes = to_do(self.facts, self.wanted, run.host)

    # -- what could lock everybody out

    def _logins(self, run: Run, left: str) -> None:
        """A second login has to work, for the user and for whoever provisions. Raises OpsError."""
        for user in dict.fromkeys((self.wanted.user, self.wanted.login)):
            try:
                _log_in(self.host, user)
            except (CannotConnect, HostLost, CommandFailed) as error:
                raise OpsError(f"{user} cannot log in with a key: {error.what}", host=run.host, left=left,
                               next=error.next) from None  # fmt: skip

    def _keep(self, run: Run, name: Name) -> None:
        """Logins work, and the machine is told to leave it as it is; or they do not, and it undoes it by itself."""
        try:
            self._logins(run, "everything: the machine has undone it by itself")
        except OpsError as refused:
            self._undone(run, name)
            raise OpsError(
                f"with the new {name} a login does not work any more: {refused.what}", host=run.host, left=refused.left,
                next="change `provision:` in the host file, and run it again",
            ) from None  # fmt: skip
        script = f"APT_WAIT=0\n{text('lib.bash')}disarm {name}"
        (said,) = [line for line in self.root(run.target).run(script, limit=60) if line in ("kept", "undone")]
        if said != "kept":
            raise OpsError(f"{name}: the machine had undone it before it was told that logins work", host=run.host,
                           left="everything", next="run it again")  # fmt: skip

    def _undone(self, run: Run, name: Name) -> None:
        """Wait until the machine has undone it: over the line that is open, which it may have cut, or by logging in."""
        run.note(f"{name}: a login does not work; the machine undoes it by itself within {UNDO:g} s", warning=True)
        deadline = time.monotonic() + 2 * UNDO
        armed = f"[[ ! -e /var/lib/opslib/undo.{name} ]] || echo armed"
        while time.monotonic() < deadline:
            time.sleep(3)  # many logins that fail would look like an attack
            try:
                if run.target.lost or "armed" not in self.root(run.target).run(armed, limit=20):
                    self._logins(run, "")
                    return
            except OpsError:
                continue
        raise HostLost(f"after {2 * UNDO:g} s no login works yet, though {name} should be undone", host=run.host,
                       next="log in by the provider's console; bash /var/lib/opslib/undo.* undoes it")  # fmt: skip


def _log_in(host: Host, user: str) -> None:
    """A login of its own, as a person would. Raises CannotConnect, HostLost, CommandFailed."""
    assert host.address is not None
    target = connect(replace(host, address=replace_user(host.address, user)))
    try:
        target.run(bash("exit 0", limit=20))
    finally:
        target.close()


_CAUSES = (
    (r"No space left|n.t have enough free space|no room for", "there is no room on its disk", "free some space there"),
    (r"Temporary failure resolving|Could not resolve|Could not connect|Failed to fetch|Unable to connect|"
     r"Cannot initiate|cannot be fetched|timed out", "it cannot reach what it fetches packages from",
     "look at its network and at /etc/apt there"),
    (r"Unable to locate package|has no installation candidate", "its package sources do not have what is needed",
     "look at /etc/apt there"),
)  # fmt: skip


def _explained(name: str, error: CommandFailed, host: str) -> OpsError:
    """What a part has failed of, in the words of what it called, with the cause in front where that is known."""
    said = [line for line in error.stderr.strip().splitlines() if line.strip()]
    tail = "\n    ".join(said[-4:]) or error.what
    left = "what this part had not begun; what was done before it stays"
    for pattern, why, then in _CAUSES:
        if re.search(pattern, error.stderr):
            return OpsError(f"{name}: {why}:\n    {tail}", host=host, left=left, next=f"{then}, then run it again")
    return OpsError(f"{name}: {tail}", host=host, left=left,
                    next="look at /var/log/opslib-provision.log there, then run it again")  # fmt: skip
