"""What a saved Redis file says of itself, what users are told as, and what errors mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.command import Secret
from opslib.engines import redis, redis_acl, redis_save
from opslib.engines.instance import Instance
from opslib.errors import OpsError

AT = Instance(
    kind="redis", service="cache", container="c", image="redis:7", version="7.0.15", data="/data", pid=1, user="1:1",
    port=6380, env={"REDIS_USER": "back up", "REDISCLI_AUTH": Secret("s3cret")},
)  # fmt: skip


def told(keys: int, expires: int, *databases: str) -> list[str]:
    sums = [f"[info] {keys} keys read", f"[info] {expires} expires", "[info] 0 already expired"]
    return ["[offset 176] Selecting DB ID 0", *sums, *databases]


def test_counts_are_what_the_file_says_of_each_database() -> None:
    lines = told(16390, 2, "db 0 fb0200010161c001", "db 3 fb4003010000", "db 15 fb8000003fff000013")
    assert redis_save.counts_of_file([*lines[:1], "[info] 16388 keys read", "[info] 1 expires", *lines[4:]]) == {
        "db0": {"keys": 2, "persistent": 2},
        "db3": {"keys": 3, "persistent": 2},
        "db15": {"keys": 16383, "persistent": 16383},
    }
    wide = "db 1 fb810000000000000002c0"
    assert redis_save.counts_of_file(told(2, 0, wide + "00")) == {"all": {"keys": 2, "persistent": 2}}
    assert redis_save.counts_of_file(told(2, 1, wide[:-2] + "01")) == {"db1": {"keys": 2, "persistent": 1}}
    assert redis_save.counts_of_file(told(0, 0)) == {}


def test_counts_of_a_file_that_does_not_say_them_by_database_are_the_sums() -> None:
    for lines in (
        told(7, 2),
        told(7, 2, "db 0 fb0600"),
        told(7, 2, "db 0 000702"),
        told(7, 2, "db 0 fb"),
        told(7, 2, "db 0 "),
    ):
        assert redis_save.counts_of_file(lines) == {"all": {"keys": 7, "persistent": 5}}
    with pytest.raises(OpsError, match="does not say how many keys read"):
        redis_save.counts_of_file(["nothing"])


def test_functions_of_a_save() -> None:
    one = [{"library_name": "lib", "engine": "LUA", "functions": [{"name": "b"}, {"name": "a"}]}]
    line = f"functions {json.dumps(one)}"
    assert redis_save.saved([line, line]).functions == {"lib": ["a", "b"]}
    assert redis_save.saved([f"functions {json.dumps([])}"] * 2).functions == {}
    changed = redis_save.saved(["functions []", line])
    assert changed.functions is None
    assert "changed" in changed.why
    assert "+function|list" in redis_save.saved(["functions NOPERM this user has no permissions"] * 2).why
    old = redis_save.saved(["functions ERR unknown command `function`, with args"] * 2)
    assert (old.functions, old.why) == (None, "")


USERS = b"""user default on nopass ~* &* +@all
user we"ird\xff on #93915a ~x* resetchannels -@all +get (~y* resetchannels -@all +set)
user gone off resetchannels -@all
"""


def test_users_are_made_as_they_were_told() -> None:
    found = redis_acl.users(USERS)
    assert list(found) == ["default", '"we\\x22ird\\xff"', "gone"]
    name = '"we\\x22ird\\xff"'
    assert redis_acl.setuser("gone", found["gone"], there=False) == "acl setuser gone off resetchannels -@all"
    assert redis_acl.setuser(name, found[name], there=True) == (
        f'acl setuser {name} reset on "#93915a" "~x*" resetchannels -@all +get "(~y*" resetchannels -@all "+set)"'
    )
    there = {**found, "gone": b"on", "other": b"on"}
    assert redis_acl.differing(found, there) == ["gone"]
    for bad in (b"ERR no", b"user\n", b"user  on\n"):
        with pytest.raises(ValueError, match="no list of Redis users"):
            redis_acl.users(bad)


@given(st.binary(min_size=1))
def test_a_word_is_ascii_without_a_space_and_means_the_same_bytes(text: bytes) -> None:
    word = redis_acl.word(text)
    assert word.isascii()
    assert not set(word) & set(" \t\r\n")
    inner = word[1:-1] if word.startswith('"') else word
    assert inner.encode().decode("unicode_escape").encode("latin-1") == text


def test_a_missing_right_is_named() -> None:
    for said, right in (
        ("NOPERM this user has no permissions to run the 'config|get' command", "+config|get"),
        ("NOPERM User back up has no permissions to run the 'bgsave' command", "+bgsave"),
        ("NOPERM this user has no permissions to run the 'acl' command or its subcommand", "+acl"),
    ):
        what, next_ = redis._why(AT, said)
        assert "user back up of Redis in service cache may not run" in what
        assert what.endswith(f"the right {right} is missing")
        assert next_.startswith("as a user who may: redis-cli ACL SETUSER 'back up' +info +config|get +bgsave ")


def test_a_renamed_command_is_named() -> None:
    for said in ("ERR unknown command 'bgsave', with args beginning with: ", "ERR unknown command `bgsave`, with args"):
        what, next_ = redis._why(AT, said)
        assert what == "Redis in service cache does not know the command BGSAVE: it is renamed or switched off there"
        assert "rename-command" in next_


def test_redis_cli_is_called_as_the_user() -> None:
    assert redis.cli(AT, "info") == ("redis-cli", "-p", "6380", "--user", "back up", "info")
