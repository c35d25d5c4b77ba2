"""Old and new containers of services that both get requests: what is seen of them, and what follows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opslib.command import bash
from opslib.compose.health import Looks, last_lines
from opslib.compose.project import Project
from opslib.compose.script import read_all
from opslib.compose.stack import Container, Stack
from opslib.deploy import switch
from opslib.deploy.strategies import answer, roll
from opslib.deploy.strategies.figures import Figures, Pair, count, fails_more, is_slower
from opslib.errors import CommandFailed, OpsError
from opslib.events import Standing
from opslib.proxy import kinds
from opslib.proxy.servers import shared
from opslib.run.step import Run

TURN = 2.0  # seconds from one look to the next
_ILL = 10.0  # seconds for which a new container may be neither healthy nor failed
_FEW = 20  # requests below which nothing follows from what the new version answers


class Trial:
    """`project` wants as many new containers as are tried, `state` is the roll's memo and `memo` the canary's; `stack`
    has all containers, old and new."""

    def __init__(
        self, run: Run, project: Project, state: Mapping[str, Any], memo: Mapping[str, Any], stack: Stack
    ) -> None:
        proxy = kinds.of(run.target.host.deploy.proxy)
        assert proxy is not None, "it was planned with one"
        self._run, self._target, self._proxy = run, run.target, proxy
        self._project, self._state, self._memo, self._stack = project, state, memo, stack
        self._pairs = {name: Pair() for name in memo["few"]}
        self._servers: dict[str, Figures] = {}
        self._counts, self._read = bool(memo["files"]), 0
        self._ill: dict[str, float] = {}
        self._began = time.monotonic()

    def mix(self) -> None:
        """Have the proxy pass the share to the new ones, and count. Where it refuses to count, health is left."""
        notes = dict(self._memo["files"])
        for name, pair in self._pairs.items():
            old, new = (self._proxy.addresses(self._stack, name, self._of(name, which)) for which in (False, True))
            self._servers |= dict.fromkeys(old, pair.old) | dict.fromkeys(new, pair.new)
            notes[f"{name}/mixed.conf"] = self._proxy.text(name, shared(old, new, self._memo["weight"] / 100))
        roll.note(self._target, notes)
        try:
            self._settle()
        except CommandFailed as error:
            if not self._counts:
                raise
            said = (error.stderr.strip().splitlines() or [error.what])[-1]
            self._run.note(f"no answers can be counted, so health alone is watched: {said}", warning=True)
            folder, self._counts = roll.folder(self._target), False
            self._target.run(bash('rm -f -- "$@"', *(f"{folder}/{name}" for name in self._memo["files"])))
            self._settle()

    def watch(self) -> None:
        """Look again and again until the time is over, or somebody has said to go on. Raises OpsError to go back."""
        looks = Looks(
            self._target, self._project, self._pairs, stable=self._target.host.deploy.stable,
            checks=switch.checks(self._target.host, self._pairs),
            without=frozenset(id for ids in self._state["old"].values() for id in ids),
        )  # fmt: skip
        self._began = time.monotonic()
        while True:
            turn = time.monotonic()
            self._health(looks)
            self._answers()
            said = answer.heard(self._run)
            left = self._memo["seconds"] - (time.monotonic() - self._began)
            if said is not None and said[0] == "abort":
                raise self._back("aborted", f"{said[1]} has said to go back")
            if said is None:
                self._compare(latency=left <= 0)
            if said is not None or left <= 0:
                self._on("promoted" if said else "over", f"{said[1]} has said to go on" if said else "it goes on")
                return
            self._target.tell(
                Standing(self._run.host, f"{self._memo['weight']} %", f"{self._short()}; {left:.0f} s left")
            )
            time.sleep(min(left, max(0.0, TURN - (time.monotonic() - turn))))

    # -- what is seen

    def _health(self, looks: Looks) -> None:
        for name, verdict in looks.look().items():
            since = self._ill.setdefault(name, time.monotonic())
            if verdict.good:
                del self._ill[name]
            elif verdict.failed or time.monotonic() - since > _ILL:
                raise self._back("unhealthy", looks.failure({name: verdict}).what)

    def _answers(self) -> None:
        if not self._counts:
            return
        command = kinds.counts_command(self._target.host, self._project.name, self._state["proxy"], self._read)
        try:
            now, *lines = read_all(self._target, command).splitlines()
        except CommandFailed:  # it is being started anew, perhaps: what it said is lost, and health is watched
            return
        if now.strip().isdecimal():
            self._read = int(now)
            count(lines, self._servers)

    def _compare(self, *, latency: bool) -> None:
        for name, pair in self._pairs.items():
            tolerance = self._target.host.deploy.tolerance
            worse = fails_more(pair, tolerance) or (is_slower(pair, tolerance) if latency else None)
            if worse:
                logs = [
                    f"\n    | {line[:300]}"
                    for one in self._of(name, True)[:1]
                    for line in last_lines(self._target, one)
                ]
                raise self._back("worse", f"{name}: {worse}{''.join(logs)}")

    # -- what follows

    def _on(self, how: str, why: str) -> None:
        self._end(how)
        self._run.note(f"{why}: {self._figures()}")
        for name, pair in self._pairs.items():
            if self._counts and pair.new.requests < _FEW:
                self._run.note(f"{name}: {pair.new.requests} requests to the new version were counted, too few to say "
                               "anything of how it answers", warning=True)  # fmt: skip

    def _back(self, how: str, why: str) -> OpsError:
        self._end(how)
        what = f"the new version goes back, after {time.monotonic() - self._began:.0f} s: {why}"
        return OpsError(what, host=self._run.host, left="the old version, which has never stopped",
                        next="mend it and deploy again")  # fmt: skip

    def _end(self, how: str) -> None:
        self._run.result["canary"] = {
            "ended": how, "weight": self._memo["weight"], "seconds": round(time.monotonic() - self._began, 1),
            "services": {name: {"old": pair.old.as_json(), "new": pair.new.as_json()}
                         for name, pair in self._pairs.items()} if self._counts else None,
        }  # fmt: skip

    def _figures(self) -> str:
        both = sum(self._pairs.values(), Pair())
        return f"new: {both.new.text()}; old: {both.old.text()}" if self._counts else "the new version is healthy"

    def _short(self) -> str:
        """The same in a line of a terminal."""
        both = sum(self._pairs.values(), Pair())
        return f"new {both.new.short()}; old {both.old.short()}" if self._counts else self._figures()

    def _of(self, name: str, new: bool) -> list[Container]:
        found = [one for one in self._stack.service(name) if one.state == "running"]
        return [one for one in found if (one.id in self._state["old"][name]) != new]

    def _settle(self) -> None:
        roll.settle(self._target, "mix", self._project.name, self._state, *self._pairs)
