"""What is written for Prometheus is read by its own parser."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from opslib.signals.metrics import METRICS, render
from opslib.signals.outcome import Memory, Outcome, after

names = st.text(min_size=1, max_size=20)


def remembered(*exits, name="uploads"):
    memory = Memory()
    artifacts = [{"kind": "volume", "service": None, "name": name, "bytes": 5, "raw_bytes": 50, "file": "u"}]
    for at, code in enumerate(exits, 1):
        made = artifacts if code == 0 else ()
        one = Outcome(task="backup.all", host="h", at=at + 0.5, seconds=2.25, exit=code, artifacts=made)
        memory = after(memory, one)
    return memory


def read(text):
    """By metric, the labels and value of each sample."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


def test_every_metric_is_there_with_its_labels():
    drill = Outcome(task="backup.all", host="h", at=3.5, seconds=2.25, exit=3, drilled=["u"])
    found = read(render(after(remembered(0, 0), drill), "survey", "prod"))
    assert set(found) == {metric.name for metric in METRICS}
    task = {"host": "prod", "project": "survey", "task": "backup.all"}
    source = {"host": "prod", "project": "survey", "kind": "volume", "source": "uploads"}
    assert found["opslib_task_last_run_exit_code"] == [(task, 3)]
    assert found["opslib_task_last_run_timestamp_seconds"] == [(task, 3.5)]
    assert found["opslib_task_last_run_duration_seconds"] == [(task, 2.25)]
    assert found["opslib_task_last_success_timestamp_seconds"] == [(task, 2.5)]
    assert found["opslib_backup_last_success_timestamp_seconds"] == [(source, 2.5)]
    assert found["opslib_backup_size_bytes"] == [(source, 5)]
    assert found["opslib_backup_raw_size_bytes"] == [(source, 50)]
    assert found["opslib_backup_last_drill_timestamp_seconds"] == [(source, 3.5)]


def test_what_never_worked_has_no_time_of_success():
    found = read(render(remembered(1), "survey", "prod"))
    assert "opslib_task_last_success_timestamp_seconds" not in found
    assert found["opslib_task_last_run_exit_code"][0][1] == 1


def test_nothing_remembered_is_an_empty_file():
    assert render(Memory(), "survey", "prod") == ""


@given(names, names, names)
def test_any_name_comes_back(project, host, source):
    found = read(render(remembered(0, name=source), project, host))
    ((labels, _),) = found["opslib_backup_size_bytes"]
    assert labels == {"host": host, "project": project, "kind": "volume", "source": source}
