import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.signals import files
from opslib.signals.outcome import Memory, Outcome, after

COUNT = """
import sys; from pathlib import Path; from opslib.signals import files
from opslib.signals.outcome import Outcome, after
for _ in range(20):
    with files.remembered(Path(sys.argv[1])) as (memory, replace):
        replace(after(memory, Outcome(task="backup.all", host="h", at=1.0, seconds=1.0, exit=1)))
"""


def failed(memory):
    return after(memory, Outcome(task="backup.all", host="h", at=1.0, seconds=1.0, exit=1))


def test_what_was_remembered_is_there_the_next_time(tmp_path):
    path = tmp_path / "a/b.json"
    for count in (0, 1, 2):
        with files.remembered(path) as (memory, replace):
            assert [one.failures for one in memory.tasks.values()] == ([count] if count else [])
            replace(failed(memory))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("broken", [b"", b"{", b"\xff", b'{"tasks": 3}'])
def test_what_cannot_be_read_counts_as_nothing(tmp_path, broken):
    path = tmp_path / "b.json"
    path.write_bytes(broken)
    with files.remembered(path) as (memory, replace):
        assert memory == Memory()
        replace(failed(memory))
    assert json.loads(path.read_bytes())["tasks"]["backup.all"]["failures"] == 1


def test_two_that_end_at_once_are_both_remembered(tmp_path):
    path = tmp_path / "b.json"
    both = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    with files.remembered(path) as (memory, _):
        assert memory.tasks["backup.all"].failures == 40


def test_a_file_is_replaced_as_a_whole_and_readable(tmp_path):
    path = tmp_path / "x.prom"
    before = os.umask(0o077)
    try:
        files.write(path, b"old", mode=0o644)
    finally:
        os.umask(before)
    with open(path) as reader:
        files.write(path, b"new", mode=0o644)
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["x.prom"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "x.prom").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write(tmp_path / "x.prom", b"new", mode=0o644)
    assert os.listdir(tmp_path) == ["x.prom"]


def test_hosts_and_projects_of_one_name_are_told_apart(tmp_path):
    roots = [Path("/srv/a/app"), Path("/srv/b/app")]
    assert len({files.memory_file(root, host) for root in roots for host in ("prod", "test")}) == 4
    assert files.metrics_file("/m", roots[0], "prod") == Path("/m/opslib-app-prod.prom")
