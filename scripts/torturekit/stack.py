"""A small stack on this machine or on a server, used through `inv`, and the look at what is left of it."""

from __future__ import annotations

import os
import subprocess
from collections import deque
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from opslib.backup import sets, verify
from opslib.images.tools import tools_tag
from opslib.settings.model import Backup, Host
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.local import Local
from tests.lab.site import LABEL, Site, until

from .tally import Bad

TABLES, ROWS = 4, 40_000
COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    command: [sleep, "1000000"]
    depends_on: {db: {condition: service_healthy}}
    volumes: ["data:/data"]
  db:
    image: ${IMAGES}postgres:15
    restart: unless-stopped
    stop_grace_period: 5s
    environment: {POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${DB_PASSWORD:?}"}
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck:
      {test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, app], interval: 5s, start_period: 99s, start_interval: 500ms}
volumes: {db: {}, data: {}}
"""
SETTINGS = """deploy: {timeout: 120s, stable: 1s}
backup:
  reserve: 0%
  keep: {last: 5}
"""
WELL = {"db": "running healthy", "web": "running"}


class Stack:
    """The stack. What it holds is known without opslib, and must stay what it is."""

    def __init__(self, folder: Path, images: str, server: dict[str, Any] | None) -> None:
        (folder / "store").mkdir()
        more = f"{SETTINGS}  stores: [{{url: '{folder}/store', name: slow, folder: sets, limit: 3MB/s}}]\n"
        self.store = folder / "store"
        (folder / "project").mkdir()
        self.site = Site(folder / "project", images, server, compose=COMPOSE, settings=SETTINGS)
        with_store = (folder / "project/hosts/there.yml").read_text().replace(SETTINGS, more)
        (folder / "project/hosts/stored.yml").write_text(with_store)
        self.where = "on this machine" if server is None else "over SSH"
        self.begun: list[subprocess.Popen[str]] = []
        self.proven: set[str] = set()
        self.said: deque[str] = deque(maxlen=8)
        self.expected = ""

    def up(self) -> None:
        """Start it, fill it, and make the first set."""
        self.inv("deploy")
        made = "".join(
            f"create table t{number} as select i id, md5(i::text || {number}) a, md5((i * 7)::text) b "
            f"from generate_series(1, {ROWS}) i; "
            for number in range(1, TABLES + 1)
        )
        self.site.sql(f"{made} create table mark (n int);")
        fill = "for i in 1 2 3; do head -c 500000 /dev/urandom >/data/file$i; done"
        self.site.inside(f"docker exec {self.site.container('web')} sh -c '{fill}'")
        self.expected = self.content()
        if not self.expected:
            raise Bad("the stack has no content to begin with")
        self.inv("backup.all")
        self.examine()

    def down(self) -> None:
        """Remove it, once no run of it goes on: when all is broken off there may be one."""
        for process in self.begun:
            if process.poll() is None:
                process.terminate()
                process.wait(120)
        folder, named = self.site.folder, "{{.Repository}}:{{.Tag}}"
        self.site.inside(f"mountpoint -q {folder}/backups && umount -l {folder}/backups")
        released = f"for r in $(ls {folder}/.opslib/releases); do docker image ls --format '{named}' | grep -F $r; done"
        self.site.inside(f"{released} | xargs -r docker image rm")
        self.site.down()

    # -- runs

    def begin(self, *words: str, host: str = "there", cwd: Path | None = None) -> subprocess.Popen[str]:
        """`inv` as a person starts it, in a process group of its own."""
        from tests.lab.site import INV

        process = subprocess.Popen(
            [str(INV), *words, "--host", host], cwd=cwd or self.site.root, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(self.site),
        )  # fmt: skip
        self.begun = [*(one for one in self.begun if one.poll() is None), process]
        return process

    def ended(self, process: subprocess.Popen[str], seconds: float = 600) -> int:
        """Wait for its end, by itself or by a fault; its exit code."""
        try:
            out, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            self.said.append(out)
            raise Bad(f"it did not end within {seconds:g} s") from None
        self.said.append(f"{process.args!r}: {process.returncode}\n{out}")
        if "Traceback" in out:
            raise Bad("it ended with a traceback")
        return int(process.returncode)

    def inv(self, *words: str, codes: Collection[int] = (0,), host: str = "there") -> int:
        """A run that is not to be disturbed; its exit code, which must be one of these."""
        code = self.ended(self.begin(*words, host=host))
        if code not in codes:
            raise Bad(f"inv {' '.join(words)} ended with {code}:\n{self.said[-1][-1500:]}")
        return code

    def connect(self) -> Target:
        """A way of one's own to it."""
        return connect(self.site.target.host)

    # -- looks

    def content(self) -> str:
        """What the database and the volume hold, in one word; "" where it cannot be asked."""
        tables = " || ".join(
            f"(select md5(string_agg(t::text, ',' order by id)) from t{number} t)" for number in range(1, TABLES + 1)
        )
        rows = self.site.sql(f"select md5({tables} || (select coalesce(sum(n), 0) from mark));")
        web = self.site.container("web")
        files = self.site.inside(f"docker exec {web} sh -c 'cd /data && md5sum * | md5sum'") if web else ""
        return f"{rows} {files}" if rows and files else ""

    def states(self) -> dict[str, str]:
        """Of each service's container, its state and health."""
        form = f'{{{{.Label "{LABEL}.service"}}}} {{{{.State}}}} {{{{.Status}}}}'
        said = self.site.inside(f"docker ps -a -f label={LABEL}.project={self.site.name} --format '{form}'")
        told = (line.split(" ", 2) for line in said.splitlines())
        return {name: f"{state}{' healthy' if '(healthy)' in status else ''}" for name, state, status in told}

    def examine(self, *also: str) -> int:
        """Look at what is left after a fault and the run after it: whole sets alone, each read to its end; services up;
        nothing of a run; the live data as they were, or as `also` says. Returns how many sets were proven.

        Raises Bad.
        """
        with closing(self.connect()) as target:
            new = [one for one in sets.list_sets(target) if one.id not in self.proven]
            for one in new:
                prove(target, one, tools_tag())
                self.proven.add(one.id)
        until(lambda: self.states() == WELL, 90, "the services are not up")
        if left := self.site.left():
            raise Bad(f"left behind: {left}")
        if (now := self.content()) not in (self.expected, *also):
            raise Bad(f"the live data are others: {now}, and were {(self.expected, *also)}")
        self.expected = now
        return len(new)

    def evidence(self) -> dict[str, str]:
        """What may tell why something is wrong."""
        folder = self.site.folder
        look = (
            f"cd {folder}; ls -laR backups .opslib; tail -c 20000 .opslib/run.log .opslib/journal.jsonl; docker ps -a"
        )
        runs, left = "\n\n".join(self.said), self.site.inside(f"{{ {look}; true; }} 2>&1")
        return {f"{self.site.name}-runs.txt": runs, f"{self.site.name}-left.txt": left}


def prove(target: Target, one: sets.SetInfo, tools: str) -> None:
    """Read a set to its end. Raises Bad."""
    if not one.whole:
        raise Bad(f"{one.folder} is left, and is no whole set: {one.wrong or one.damaged}")
    checks = verify.check(target, one, tools)
    wrong = [f"{each.artifact.file}: {each.wrong or 'not read'}" for each in checks if each.wrong or not each.content]
    if wrong:
        raise Bad(f"A BAD SET: {one.folder}: {wrong}")


def in_folder(folder: Path) -> int:
    """How many sets a folder holds, all of them whole by length and digest. Raises Bad."""
    with closing(Local(Host(name="local", path=str(folder), backup=Backup(directory=".")))) as target:
        found = sets.list_sets(target)
        for one in found:
            artifacts = one.manifest.artifacts if one.manifest else ()
            if wrong := one.wrong or [why for why in verify.digests(target, one.folder, artifacts).values() if why]:
                raise Bad(f"A BAD SET: {one.folder}: {wrong}")
        return len(found)


def environment(site: Site) -> dict[str, str]:
    """Of `inv`: the caller's settings have no part in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
    return {**kept, "OPSLIB_SSH_CONFIG": str(site.config), "PYTHONIOENCODING": "utf-8"}
