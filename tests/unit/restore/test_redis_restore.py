"""Where a Redis server keeps its data, and what counts as the same data."""

from opslib.engines import redis_restore

CONFIG = {
    "dir": "/da ta", "dbfilename": "x.rdb", "appendonly": "yes", "appenddirname": "aof dir", "appendfilename": "a.aof",
}  # fmt: skip


def test_layout() -> None:
    assert redis_restore.layout(CONFIG) == redis_restore.Layout("/da ta", "x.rdb", "aof dir", "a.aof", True)


def test_layout_of_an_older_server_has_one_append_only_file() -> None:
    old = dict.fromkeys(CONFIG, "")
    assert redis_restore.layout(old) == redis_restore.Layout("/data", "dump.rdb", "", "appendonly.aof", False)


def test_the_base_of_an_append_only_file_is_quoted_as_the_server_does() -> None:
    assert redis_restore.manifest_line("appendonly.aof") == "file appendonly.aof.1.base.rdb seq 1 type b"
    assert redis_restore.manifest_line('my "aof"') == 'file "my \\"aof\\".1.base.rdb" seq 1 type b'


def test_only_keys_without_expiry_count() -> None:
    two = {
        "db0": {"keys": 9, "persistent": 5},
        "db3": {"keys": 1, "persistent": 1},
        "db7": {"keys": 4, "persistent": 0},
    }
    assert redis_restore.same(two, {"db0": {"keys": 5, "persistent": 5}, "db3": {"keys": 1, "persistent": 1}})
    assert not redis_restore.same(two, {"db0": {"keys": 6, "persistent": 6}})
    assert not redis_restore.same(two, {"db0": {"keys": 6, "persistent": 5}, "db3": {"keys": 2, "persistent": 2}})
    assert redis_restore.same({"all": {"keys": 9, "persistent": 6}}, two)
    assert not redis_restore.same({"all": {"keys": 9, "persistent": 7}}, two)


def test_a_server_may_have_too_few_databases() -> None:
    counts = {"db0": {"keys": 1, "persistent": 1}, "db15": {"keys": 1, "persistent": 0}}
    assert redis_restore.too_many(counts, 16) == ""
    assert redis_restore.too_many(counts, 15) == "db15"
    assert redis_restore.too_many({"all": {"keys": 1, "persistent": 1}}, 1) == ""
