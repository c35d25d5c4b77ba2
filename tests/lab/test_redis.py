"""Redis backed up and restored, on this machine and over SSH: users, functions, several databases; and what goes
wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets, take, verify
from opslib.backup.found import logins
from opslib.command import Command, Secret, bash
from opslib.engines import redis_save
from opslib.engines.find import find_instances
from opslib.engines.instance import Instance
from opslib.engines.redis import keyspace
from opslib.errors import OpsError
from opslib.events import Note
from opslib.images.tools import ensure_tools
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Redis
from opslib.settings.model import Backup
from opslib.settings.units import Reserve
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.restore_stack import Trial, brought_up
from tests.lab.stacks import SOON
from tests.lab.test_backup import Watch
from tests.lab.test_restore import failed, liar, worked

pytestmark = pytest.mark.lab

USER, PASSWORD = "-k'ee\"per$é", "-p'w\"$xé\\;`"  # no space: a user's name and password in Redis have none
READER, AS_TYPED = 're"ader\\é', '"re\\"ader\\\\é"'
COUNTS = {
    "db0": {"keys": 303, "persistent": 302},
    "db3": {"keys": 1, "persistent": 1},
    "db15": {"keys": 70, "persistent": 70},
}
LIBRARY = """#!lua name=shelf
redis.register_function("two", function() return 2 end)
redis.register_function("one", function() return "é\\n" end)
"""
# The aclfile lies with the data, and a line of it is the user that opslib logs in as; nobody is let in as `default`.
KEPT = """[ -e /data/users.acl ] || printf '%s\\n' "$ACL" >/data/users.acl
exec docker-entrypoint.sh redis-server --aclfile /data/users.acl --appendonly yes"""
# All that is in a database, as one number: names, values, whether they expire.
SEE = """local keys, text = redis.call('keys', '*'), ''; table.sort(keys)
for _, key in ipairs(keys) do
  text = text .. key .. '=' .. redis.call('dump', key) .. (redis.call('ttl', key) > 0 and '!' or '')
end
return #keys .. ' ' .. redis.sha1hex(text)"""


class Caches(Trial):
    """`cache` with an aclfile and an append-only file; `plain` has neither and saves only when it is asked to; `odd`
    has another name for BGSAVE."""

    def up(self) -> None:
        keeper = Redis(service="cache", user=USER, password=Secret(PASSWORD))
        self.host = msgspec.structs.replace(self.host, backup=self.settings("odd", login=keeper))
        self.target.close()
        self.target = self.connect()
        image = f"{self.images}redis:7"
        check = {"test": ["CMD", "redis-cli", "ping"], **SOON}
        digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
        acl = f"user default off\nuser {USER} on #{digest} ~* &* +@all"
        services = {
            "cache": {"image": image, "command": ["sh", "-ec", KEPT], "environment": {"ACL": acl},
                      "volumes": ["cache:/data"], "healthcheck": check},
            "plain": {"image": image, "command": ["redis-server", "--save", "", "--appendonly", "no"],
                      "volumes": ["plain:/data"], "healthcheck": check},
            "odd": {"image": image, "command": ["redis-server", "--rename-command", "BGSAVE", "other"],
                    "healthcheck": check},
            "app": {"image": f"{self.images}busybox:1", "command": ["sleep", "100000"], "init": True,
                    "stop_grace_period": "1s"},
        }  # fmt: skip
        wanted = {"services": services, "volumes": {"cache": {}, "plain": {}}}
        text = json.dumps(wanted, ensure_ascii=False).replace("$", "$$")
        put_bytes(self.target, text.encode(), f"{self.target.root}/compose.yml")
        put_bytes(self.target, b"", f"{self.target.root}/.env")
        self.bring_up()
        self.tools = ensure_tools(self.target, self.here)
        for service in ("cache", "plain"):
            self.redis(
                service, *(f"set key:{i} value\n" for i in range(300)), "hset hash f v\n", "setex later 9999 x\n",
                "psetex gone 1 x\n", "xadd stream 1-1 f v\n", "xgroup create stream readers 0\n",
                "xreadgroup group readers me streams stream >\n", "select 3\n", "set a b\n",
                "select 15\n", *(f"zadd z{i} 1 x\n" for i in range(70)),
            )  # fmt: skip
            self.redis(service, "-x", "function", "load", feed=LIBRARY)
        self.redis("cache", f'acl setuser {AS_TYPED} on ">word-of-the-reader" ~a:* "(~b:* +set)" +get\n', "acl save\n")
        self.redis("plain", "acl setuser guest on >guests-word ~* +get\n")

    def settings(self, *exclude: str, login: Redis | None = None) -> Backup:
        return Backup(exclude=exclude, sources=(login,) if login else (), reserve=Reserve(fraction=0.01))

    def redis(self, service: str, *lines: str, feed: str = "") -> list[str]:
        """What these lines are answered with, or the command that they are with `feed`."""
        words = ["--user", USER] if service == "cache" else []
        env = {"REDISCLI_AUTH": Secret(PASSWORD)} if service == "cache" else {}
        words, text = ([*words, *lines], feed) if feed else (words, "".join(lines))
        cmd = exec_in(self.host, self.container(service), "redis-cli", *words, env=env, feed=text.encode())
        return self.target.run(cmd).lines

    def holds(self, service: str) -> list[str]:
        """Everything that a restore must bring back, but the users."""
        quoted = '"' + SEE.replace('"', '\\"').replace("\n", " ") + '"'
        each = (f"select {number}\neval {quoted} 0\n" for number in (0, 3, 15))
        return self.redis(service, *each, "select 0\n", "xinfo groups stream\n", "fcall one 0\n")

    def users(self, service: str) -> list[str]:
        return self.redis(service, "acl list\n")

    def run_backup(self, target: Target | None = None, **options: Any) -> Record:
        wanted = take.Options(here=self.here, **options)
        task = Task("backup.all", lambda run: take.steps(run, wanted), take.RECOVERIES)
        return carry_out(task, [target or self.target])

    def refuses(self, *exclude: str, login: Redis | None = None) -> str:
        """Why a backup with these settings makes no set."""
        before = sets.list_sets(self.target)
        target = connect(msgspec.structs.replace(self.host, backup=self.settings(*exclude, login=login)))
        record = self.run_backup(target)
        target.close()
        assert not record.ok
        assert "word-of-" not in str(record.as_json())
        assert sets.list_sets(self.target) == before
        assert not self.target.run(bash('ls -A -- "$1" | grep "^\\." || true', sets.directory(self.target))).lines
        return str(record.hosts[0].error)

    def meanwhile(self, script: str, *words: str) -> Callable[[], None]:
        """Run a script there beside whatever comes next; what is returned waits for its end."""
        other = connect(self.host)
        thread = threading.Thread(target=lambda: other.run(bash(script, *words, limit=120.0), check=False))
        thread.start()

        def end() -> None:
            thread.join()
            other.close()

        return end

    def instances(self) -> list[Instance]:
        return find_instances(self.target, self.look(), logins(self.host))

    def docker(self, *words: str) -> Command:
        return docker(self.host, *words, limit=60.0)


def warnings(caches: Caches) -> str:
    return "\n".join(one.text for one in caches.events if isinstance(one, Note) and one.warning)


@pytest.fixture(scope="module", params=["local", "ssh"])
def caches(request: pytest.FixtureRequest) -> Iterator[Caches]:
    yield from brought_up(request, Caches)


@pytest.fixture(scope="module")
def saved(caches: Caches) -> tuple[str, dict[str, list[str]]]:
    """A set, and what the servers held when it was made."""
    good = {service: caches.holds(service) for service in ("cache", "plain")}
    with Watch(PASSWORD) as watch:
        made = worked(caches.run_backup())
    assert watch.looks > 3
    assert not watch.seen
    assert PASSWORD not in str(made) + str(caches.events)
    return str(made["set"]), good


def test_what_a_set_holds_and_that_it_is_read_again(caches: Caches, saved: tuple[str, Any]) -> None:
    one = sets.find(caches.target, saved[0])
    assert one.manifest is not None
    found = {(each.service, each.name): each for each in one.manifest.artifacts}
    for service in ("cache", "plain"):
        artifact = found[service, service]
        assert artifact.counts == COUNTS
        assert artifact.facts["functions"] == {"shelf": ["one", "two"]}
        assert artifact.facts["appendonly"] == (service == "cache")
    assert found["cache", "users"].facts["aclfile"] == "/data/users.acl"
    text = "".join(
        caches.target.run(run_in(caches.host, caches.tools, "zstd", "-dcq", f"/s/{each.file}",
                                 mounts=[mount("bind", one.folder, "/s", readonly=True)])).text
        for key, each in found.items() if key[1] == "users"
    )  # fmt: skip
    assert hashlib.sha256(b"word-of-the-reader").hexdigest() in text
    assert "word" not in text
    tools = caches.tools
    record = look_on("backup.verify", [caches.target], lambda run: verify.verify(run, saved[0], tools=tools))
    assert sorted(each["content"] for each in worked(record)["artifacts"]) == ["redis-check-rdb"] * 2 + ["users"] * 2


def test_what_was_destroyed_comes_back_and_stays_and_can_be_undone(caches: Caches, saved: tuple[str, Any]) -> None:
    made, good = saved
    for service in ("cache", "plain"):
        caches.redis(service, "flushall\n", "function flush\n", "select 7\n", "set intruder 1\n")
    caches.redis("cache", f"acl deluser {AS_TYPED}\n", "acl save\n", "acl setuser unsaved on nopass\n")
    caches.redis("plain", "acl setuser guest resetkeys\n", "acl setuser late on nopass +get ~*\n")
    before = {service: caches.users(service) for service in ("cache", "plain")}
    result = worked(caches.restore(made))
    assert {one["part"]: one["after"] for one in result["restored"]} == {
        "redis cache/cache": COUNTS, "redis plain/plain": COUNTS,
    }  # fmt: skip
    assert {service: caches.holds(service) for service in good} == good
    assert caches.users("plain") == before["plain"]  # in its memory alone, and as they were
    (new,) = set(caches.users("cache")) - set(before["cache"])
    assert set(before["cache"]) < set(caches.users("cache"))
    assert new.startswith(f"user {READER} on #")
    assert caches.running() == ["app", "cache", "odd", "plain"]
    caches.target.run(caches.docker("restart", caches.container("cache"), caches.container("plain")))
    caches.bring_up()
    assert {service: caches.holds(service) for service in good} == good
    assert new in caches.users("cache")
    worked(caches.restore(None))  # an undo
    for service in ("cache", "plain"):
        assert caches.redis(service, "dbsize\n", "function list\n", "select 7\n", "get intruder\n") == [
            "0", "", "OK", "1",
        ]  # fmt: skip


def test_a_file_goes_to_a_new_volume_that_a_server_starts_from(caches: Caches, saved: tuple[str, Any]) -> None:
    volume, now = f"{caches.name}_new", caches.holds("plain")
    start = """cd /data; docker-entrypoint.sh redis-server --appendonly "$1" --save "" --daemonize yes >&2
until redis-cli info persistence | grep -q loading:0; do :; done; redis-cli info keyspace; redis-cli fcall one 0"""
    worked(caches.restore(saved[0], kinds=("redis",), service="plain", into=volume))
    try:
        for append in ("yes", "no"):
            said = caches.target.run(run_in(
                caches.host, f"{caches.images}redis:7", "-c", start, "x", append, limit=60.0,
                mounts=[mount("volume", volume, "/data")], options=["--entrypoint", "sh"],
            )).lines  # fmt: skip
            assert keyspace(said) == COUNTS
            assert said[-1] == "é"
        again = caches.restore(saved[0], kinds=("redis",), service="plain", into=volume)
        assert "is there already" in str(again.hosts[0].error)
    finally:
        caches.target.run(caches.docker("volume", "rm", volume))
    assert caches.holds("plain") == now


def test_what_fails_is_undone_with_what_was_in_memory_alone(
    caches: Caches, saved: tuple[str, Any], tmp_path: Path
) -> None:
    """The last part fails when the first has made its users; no safety copy holds what `plain` would not save."""
    caches.redis("cache", f"acl deluser {AS_TYPED}\n", "acl save\n")
    caches.redis("plain", "acl setuser guest on nopass\n", "set memory 1\n")
    before = {service: (caches.holds(service), caches.users(service)) for service in ("cache", "plain")}
    folder = liar(caches, saved[0], tmp_path, other_functions)
    assert "functions" in failed(caches.restore(folder, no_safety_copy=True))
    assert {service: (caches.holds(service), caches.users(service)) for service in before} == before
    cmd = exec_in(caches.host, caches.container("cache"), "grep", "-c", "^user ", "/data/users.acl")
    assert caches.target.run(cmd).text == str(len(before["cache"][1]))
    assert caches.running() == ["app", "cache", "odd", "plain"]


def other_functions(manifest: dict[str, Any]) -> None:
    for one in manifest["artifacts"]:
        if one["service"] == one["name"] == "plain":
            one["facts"]["functions"] = {"shelf": ["three"]}


def test_the_users_by_hand(caches: Caches, saved: tuple[str, Any]) -> None:
    """The commands of the manifest, typed in the set's folder by somebody who knows the password."""
    caches.redis("cache", f"acl deluser {AS_TYPED}\n")
    one = sets.find(caches.target, saved[0])
    assert one.manifest is not None
    (users,) = [each for each in one.manifest.artifacts if (each.service, each.name) == ("cache", "users")]
    cmd = bash(f'cd -- "$1"; {users.by_hand[-1]}', one.folder, limit=60.0)
    (stage,) = cmd.stages
    said = caches.target.run(cmd.with_(stages=(replace(stage, env=(("REDISCLI_AUTH", Secret(PASSWORD)),)),)))
    assert said.lines == ["OK"] * 2
    assert any(line.startswith(f"user {READER} on #") for line in caches.users("cache"))


# Ends what each of these containers is busy with once the backup's save waits for it.
END = """for c; do (
  until docker exec "$c" sh -c 'cat /proc/[0-9]*/cmdline' | grep -aq 'with another save'; do :; done
  docker exec "$c" sh -c 'for p in /proc/[0-9]*; do case $(tr "\\0" " " <$p/cmdline) in
    redis-rdb-bgsave*|redis-aof-rewrite*) kill -USR1 "${p#/proc/}" ;; esac; done'
) & done; wait"""


def test_a_server_that_saves_and_rewrites_is_waited_for(caches: Caches) -> None:
    """What is written after its own save began is in the backup's."""
    for service, begin in (("plain", "bgsave\n"), ("cache", "bgrewriteaof\n")):
        caches.redis(
            service, "flushall\n", *(f"set key:{i} value\n" for i in range(100)),
            "config set rdb-key-save-delay 5000000\n", begin, "config set rdb-key-save-delay 0\n", "set late 1\n",
        )  # fmt: skip
        (at,) = [one for one in caches.instances() if one.service == service]
        with pytest.raises(OpsError, match="still busy with another save"):
            redis_save.said(caches.target, at, redis_save.save_command(caches.host, at, 0))
    end = caches.meanwhile(END, caches.container("plain"), caches.container("cache"))
    try:
        made = worked(caches.run_backup())
    finally:
        end()
    counts = [each["counts"] for each in made["artifacts"] if each["counts"]]
    assert counts == [{"db0": {"keys": 101, "persistent": 101}}] * 2


def test_a_missing_right_is_named(caches: Caches) -> None:
    """Who may do no more than a backup asks for makes one, with what it lacks named."""
    weak = Redis(service="cache", user="weak", password=Secret("word-of-the-weak"))
    caches.redis("cache", "acl setuser weak on >word-of-the-weak +info\n")
    assert "user weak of Redis in service cache may not run CONFIG GET: the right +config|get" in caches.refuses(
        "odd", "plain", login=weak
    )
    caches.redis("cache", "acl setuser weak +config|get\n")
    assert "may not run BGSAVE: the right +bgsave is missing" in caches.refuses("odd", "plain", login=weak)
    caches.redis("cache", "acl setuser weak +bgsave\n")
    target = connect(msgspec.structs.replace(caches.host, backup=caches.settings("odd", "plain", login=weak)),
                     caches.events.append)  # fmt: skip
    made = worked(caches.run_backup(target))
    target.close()
    assert [each["name"] for each in made["artifacts"]] == ["cache"]
    assert "the right +function|list" in made["warnings"][0]
    assert "the right +acl|list is missing: users are in no backup" in warnings(caches)


def test_a_user_with_a_wrong_password_is_not_taken_for_another(caches: Caches) -> None:
    caches.redis("plain", "acl setuser keen on >word-of-keen +@all\n")
    wrong = Redis(service="plain", user="keen", password=Secret("word-of-nobody"))
    assert "takes for user keen none of the 1 passwords" in caches.refuses("odd", "cache", login=wrong)


def test_a_renamed_command_is_named(caches: Caches) -> None:
    said = caches.refuses("cache", "plain")
    assert "Redis in service odd does not know the command BGSAVE: it is renamed or switched off there" in said


def test_a_server_that_cannot_save_makes_no_set(caches: Caches) -> None:
    folder = exec_in(caches.host, caches.container("plain"), "chown", "0:0", "/data", user="0:0")
    caches.target.run(folder)
    try:
        assert "the background save failed" in caches.refuses("odd", "cache")
    finally:
        caches.target.run(exec_in(caches.host, caches.container("plain"), "chown", "redis", "/data", user="0:0"))


def test_a_server_that_is_started_anew_in_the_middle_makes_no_set(caches: Caches) -> None:
    name = caches.container("plain")
    caches.redis("plain", "config set rdb-key-save-delay 50000\n", *(f"set k:{i} v\n" for i in range(200)))
    saves = "until docker exec $1 redis-cli info persistence | grep -q rdb_bgsave_in_progress:1; do :; done; "
    end = caches.meanwhile(saves + 'docker restart -t 0 "$1"', name)
    try:
        said = caches.refuses("odd", "cache")
        assert "Redis in service plain: " in said
        assert "its container was stopped or started anew" in said or "Could not connect" in said
    finally:
        end()


def test_a_server_that_is_killed_in_the_middle_of_a_restore(caches: Caches, saved: tuple[str, Any]) -> None:
    """As often as it starts, until a file says that it is enough: neither the new data nor the old can be proven."""
    made, good = saved
    name, stop = caches.container("plain"), f"{caches.target.root}/enough"
    caches.redis("plain", "flushall\n", "set old 1\n")
    before = caches.holds("plain")
    kill = """exec 3< <(docker events --filter "container=$1" --filter event=start --format x)
while read -r _ <&3 && [ ! -e "$2" ]; do docker kill "$1"; done; kill $!"""
    end = caches.meanwhile(kill, name, stop)
    try:
        record = caches.restore(made, kinds=("redis",), service="plain")
        error = record.hosts[0].error or {}
        assert "redis plain/plain is neither wholly old nor wholly new, and the services stay down" in str(
            error["what"]
        )
        assert "docker compose up -d plain" in str(error["next"])
        assert "app" not in caches.running()
    finally:
        caches.target.run(bash(': >"$1"', stop))
        caches.target.run(caches.docker("start", name))
        end()
    assert caches.carry_out("anything", lambda run: []).ok  # which undoes it first
    assert caches.holds("plain") == before
    assert caches.running() == ["app", "cache", "odd", "plain"]
    worked(caches.restore(made, kinds=("redis",), service="plain"))
    assert caches.holds("plain") == good["plain"]
    worked(caches.restore(None))
    assert caches.holds("plain") == before
