"""Where a Redis server keeps its data, and what counts as the same data."""

from opslib.engines import redis_restore


def test_the_layout_as_the_server_says_it() -> None:
    said = "dir\n/da ta\ndbfilename\nx.rdb\nappendonly\nyes\nappenddirname\naof dir\nappendfilename\na.aof\n"
    assert redis_restore.layout(said) == redis_restore.Layout("/da ta", "x.rdb", "aof dir", "a.aof", True)


def test_before_7_there_is_no_folder() -> None:
    said = "dir\n/data\ndbfilename\ndump.rdb\nappendonly\nno\n\nappendfilename\nappendonly.aof\n"
    assert redis_restore.layout(said) == redis_restore.Layout("/data", "dump.rdb", "", "appendonly.aof", False)


def test_the_manifest_line_is_quoted_as_the_server_does() -> None:
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
