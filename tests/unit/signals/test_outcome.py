import pytest

from opslib.signals.outcome import FORGET, Memory, Outcome, after, news, recovered

ARTIFACTS = (
    {"kind": "postgres", "service": "db", "name": "app", "bytes": 10, "raw_bytes": 100, "file": "p"},
    {"kind": "volume", "service": None, "name": "uploads", "bytes": 5, "raw_bytes": 50, "file": "u"},
)


def outcome(exit=0, at=1000.0, task="backup.all", **more):
    return Outcome(**{"task": task, "host": "prod", "at": at, "seconds": 2.0, "exit": exit, **more})


def told(*outcomes):
    """What people hear of each."""
    memory, heard = Memory(), []
    for one in outcomes:
        heard.append(news(memory, one))
        memory = after(memory, one)
    return heard


@pytest.mark.parametrize("code", [1, 2, 3, 4, 130])
def test_each_failure_and_the_first_success_after_one_are_news(code):
    codes = [0, code, code, 0, 0, code, 0]
    assert told(*map(outcome, codes)) == [None, "failed", "failed", "recovered", None, "failed", "recovered"]


def test_the_success_of_another_task_is_no_recovery():
    assert told(outcome(1), outcome(task="backup.verify"), outcome()) == ["failed", None, "recovered"]


def test_what_is_remembered_of_a_task():
    memory = after(after(after(Memory(), outcome(at=1.0)), outcome(3, at=2.0)), outcome(4, at=3.0))
    last = memory.tasks["backup.all"]
    assert (last.at, last.exit, last.success, last.failing_since, last.failures) == (3.0, 4, 1.0, 2.0, 2)
    good = after(memory, outcome(at=4.0)).tasks["backup.all"]
    assert (good.success, good.failing_since, good.failures) == (4.0, None, 0)


def test_the_recovery_says_how_often_it_had_failed():
    memory = after(after(Memory(), outcome(1)), outcome(1))
    title, text = recovered(memory, outcome())
    assert title == "backup.all on prod: works again"
    assert text.startswith("It had failed 2 times since 1970-01-01 ")


def test_a_source_keeps_the_time_of_the_newest_set_that_holds_it():
    memory = after(Memory(), outcome(at=10.0, artifacts=ARTIFACTS))
    later = after(memory, outcome(3, at=20.0, artifacts=ARTIFACTS[:1]))
    assert {key: one.at for key, one in later.sources.items()} == {"postgres db/app": 20.0, "volume uploads": 10.0}
    assert after(later, outcome(1, at=30.0)).sources == later.sources
    assert set(after(later, outcome(1, at=10.5 + FORGET)).sources) == {"postgres db/app"}


def test_a_drill_stays_known_when_a_newer_set_is_made():
    memory = after(Memory(), outcome(at=10.0, artifacts=ARTIFACTS))
    drilled = after(memory, outcome(at=20.0, task="backup.drill", drilled=["p"]))
    later = after(drilled, outcome(at=30.0, artifacts=ARTIFACTS))
    assert {key: one.drilled for key, one in later.sources.items()} == {"postgres db/app": 20.0, "volume uploads": None}
    assert [one.at for one in later.sources.values()] == [30.0, 30.0]


def test_artifacts_of_one_name_count_together():
    twice = [{**ARTIFACTS[0], "bytes": 1, "raw_bytes": 2}] * 2
    (one,) = after(Memory(), outcome(artifacts=twice)).sources.values()
    assert (one.bytes, one.raw_bytes) == (2, 4)


def test_the_text_ends_with_the_error_however_long_it_is():
    error = {"what": "the disk is full", "left": "everything", "next": "df -h"}
    text = outcome(1, error=error, lines=["x" * 20_000]).text()
    assert text.endswith("\nthe disk is full\nleft as it was: everything\nnext: df -h")
    assert text.startswith("backup.all on prod: failed, exit code 1, after 2.0 s\nxxx")
    assert len(text) < 10_100


def test_a_message_begins_with_the_error_however_long_it_is():
    error = {"what": "the disk is full", "left": None, "next": "df -h"}
    message = outcome(1, error=error, lines=["x" * 20_000]).message()
    assert message.startswith("the disk is full\nnext: df -h\n\nxxx")
    assert len(message) == 10_000


def test_the_text_of_a_set_says_what_it_holds():
    assert outcome(set="S", artifacts=ARTIFACTS).text() == (
        "backup.all on prod: done, after 2.0 s\nset S: 2 artifacts, 15 bytes"
    )


def test_bytes_that_are_no_utf8_can_be_told():
    odd = "caf\udce9"
    assert outcome(lines=[odd]).text().encode()
    memory = after(Memory(), outcome(artifacts=[{**ARTIFACTS[1], "name": odd}]))
    assert [one.name for one in memory.sources.values()] == ["caf\ufffd"]
