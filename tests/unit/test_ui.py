import io
import json
import os
import pty
import sys
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.events import Note, Output, Progress, Standing, StepEnded, StepStarted
from opslib.run.record import HostRecord, Record, StepRecord
from opslib.ui import Ui
from opslib.ui.text import Meter, age, bar, clean, seconds, size, table


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234567, "1.2 MB"),
        (999_960, "1.0 MB"),
        (123e9, "123 GB"),
        (4e15, "4.0 PB"),
    ],
)
def test_size(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (42.4, "42 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7830, "2 h 10 min")],
)
def test_seconds(count, text):
    assert seconds(count) == text


def test_age():
    told = [age(count) for count in (0, 59.6, 61, 3599, 7200, 172_799, 172_800, 1e7)]
    assert told == ["0 s", "59 s", "1 min", "59 min", "2 h", "47 h", "2 days", "115 days"]


def test_meter_tells_rate_and_time_left():
    meter = Meter()
    meter.add(0, 4_000_000_000, now=100.0)
    assert meter.text() == "0 B of 4.0 GB"
    meter.add(1_000_000_000, 4_000_000_000, now=105.0)
    assert meter.text() == "1.0 GB of 4.0 GB, 200 MB/s, 15 s left"
    meter.add(1_050_000_000, 4_000_000_000, now=120.0)  # slower now: only the last seconds count
    assert meter.rate == pytest.approx(50_000_000 / 15)
    meter.add(2_000_000_000, None, now=121.0)
    assert "of" not in meter.text()
    assert "left" not in meter.text()


def test_bar():
    assert (bar(0, 4), bar(0.5, 4), bar(1, 4)) == ("╌╌╌╌", "━━╌╌", "━━━━")


def test_what_a_machine_said_is_shown_and_not_obeyed():
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07a\rb\x00 c\td") == "red ab c        d"


@given(st.lists(st.lists(st.text(max_size=60), min_size=3, max_size=3), max_size=5), st.integers(40, 120))
def test_a_table_fits(rows, width):
    for line in table(["A", "B", "C"], rows, width=width, right=[1]):
        assert len(line) <= width


def test_table():
    rows = [["api", "12", "x " * 30], ["worker", "3", ""]]
    assert table(["SERVICE", "N", "PORTS"], rows, width=40, right=[1]) == [
        "SERVICE   N  PORTS",
        "api      12  x x x x x x x x x x x x x x",
        "             x x x x x x x x x x x x x x",
        "             x x",
        "worker    3",
    ]


# -- the screen


class Pipe(io.TextIOWrapper):
    """A stream that is no terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def text(self) -> str:
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


class Said:
    """What was written to one of the standard streams so far."""

    def __init__(self, capsys, name):
        self._capsys, self._name, self._others = capsys, name, []

    def text(self):
        got = self._capsys.readouterr()
        for said in self._others:
            said.seen += getattr(got, said._name)
        return self.seen

    seen = ""


@pytest.fixture
def streams(capsys):
    both = Said(capsys, "out"), Said(capsys, "err")
    for said in both:
        said._others = both
    return both


def record(*hosts, task="deploy"):
    return Record(task, "2026-11-22T00:00:00Z", 3.21, list(hosts))


def test_plain_lines(streams):
    ui = Ui()
    ui.begin("deploy on prod", ["prod"])
    ui.tell(StepStarted("prod", "build"))
    ui.tell(Output("prod", "line \x1b[1mone\x1b[0m"))
    ui.tell(StepEnded("prod", "build", "done", 1.24, "2 images"))
    ui.tell(StepEnded("prod", "ship", "skipped", 0.0))
    ui.tell(Note("prod", "mind this\nand that", warning=True))
    ui.tell(StepEnded("prod", "up", "failed", 2.0, "no"))
    ui.tell(StepEnded("prod", "build", "undone", 0.5))
    ui.end(record(HostRecord("prod", changed=True)), None)
    assert streams[0].text() == (
        "deploy on prod\n  │ line one\n✓ build  1.2 s  2 images\n! mind this\n  and that\n"
        "✗ up  2.0 s  no\n↶ build undone  0.5 s\ndeploy on prod: done (3.2 s)\n"
    )
    assert streams[1].text() == ""


def test_nothing_to_do_is_said(streams):
    ui = Ui()
    ui.begin("deploy on prod", ["prod"])
    ui.end(record(HostRecord("prod")), None)
    assert streams[0].text().endswith("deploy on prod: nothing to do (3.2 s)\n")


def test_an_error_says_what_left_and_next(streams):
    error = {"what": "it broke", "left": "everything", "next": "inv ps"}
    Ui().end(record(HostRecord("prod", ok=False, code=1, error=error)), None)
    assert streams[1].text() == "prod: it broke\n  left as it was: everything\n  next: inv ps\n"
    assert streams[0].text() == ""


def test_several_hosts_have_prefixes_and_a_table(streams):
    ui = Ui()
    ui.begin("deploy on a, prod", ["a", "prod"])
    ui.tell(StepEnded("a", "up", "done", 1.0))
    ui.tell(Output("prod", "x"))
    error = {"what": "it broke\nbadly", "left": None, "next": None}
    ui.end(record(HostRecord("a", changed=True, seconds=1.0), HostRecord("prod", ok=False, code=1, error=error)), None)
    assert streams[0].text() == (
        "deploy on a, prod\na    │ ✓ up  1.0 s\nprod │   │ x\n\n"
        "HOST  RESULT    TIME\na     changed  1.0 s\nprod  failed   0.0 s  it broke\n"
    )
    assert streams[1].text() == "prod: it broke\nbadly\n"


def test_a_plan_lists_what_would_be_done(streams):
    plan = [{"step": "build", "what": "api"}, {"step": "up", "what": "api,\nworker"}]
    Ui().end(record(HostRecord("prod", result={"plan": plan})), None)
    assert streams[0].text() == "STEP   WHAT IT WOULD DO\nbuild  api\nup     api, worker\n"


def test_json_is_one_object_and_the_rest_is_on_stderr(streams):
    ui = Ui(json=True)
    ui.begin("deploy on prod", ["prod"])
    ui.tell(StepEnded("prod", "up", "done", 1.0))
    ui.tell(Output("prod", "x"))
    ui.say("not shown")
    host = HostRecord("prod", changed=True, steps=[StepRecord("up", "done", 1.0)], result={"release": "é\udcff"})
    ui.end(record(host), None)
    assert json.loads(streams[0].text()) == {
        "task": "deploy", "ok": True, "exit": 0, "started": "2026-11-22T00:00:00Z", "seconds": 3.21,
        "hosts": [{
            "host": "prod", "ok": True, "changed": True, "seconds": 0.0, "round_trips": 0, "result": {"release": "é\udcff"},
            "steps": [{"name": "up", "status": "done", "seconds": 1.0, "note": ""}], "error": None,
        }],
    }  # fmt: skip
    assert streams[1].text() == "deploy on prod\n✓ up  1.0 s\n  │ x\n"


def test_logs_come_as_they_are(streams):
    ui = Ui()
    ui.raw = True
    ui.tell(Output("prod", "api-1  | \x1b[1mhello\x1b[0m"))
    assert streams[0].text() == "api-1  | \x1b[1mhello\x1b[0m\n"


def test_progress_at_most_every_ten_seconds(streams, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    ui = Ui()
    for tick in range(25):
        clock[0] = float(tick)
        ui.tell(Progress("prod", "volume uploads", tick * 10_000_000, 1_000_000_000))
    assert streams[0].text() == (
        "  volume uploads: 100 MB of 1.0 GB, 10.0 MB/s, 1 min 30 s left\n"
        "  volume uploads: 200 MB of 1.0 GB, 10.0 MB/s, 1 min 20 s left\n"
    )


def test_how_something_stands_takes_the_place_of_the_line_before(streams, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    ui = Ui()
    for tick in range(25):
        clock[0] = float(tick)
        ui.tell(Standing("prod", "10 %", f"{tick}\x1b[2J requests"))
    assert streams[0].text() == "  10 %: 10 requests\n  10 %: 20 requests\n"
    assert list(ui._running()) == [("  10 %", "24 requests", None)]
    ui.tell(StepEnded("prod", "roll", "done", 1.0))
    assert list(ui._running()) == []


def test_a_step_that_takes_long_is_named(streams, monkeypatch):
    monkeypatch.setattr("opslib.ui.QUIET", 0.05)
    ui = Ui()
    ui.tell(StepStarted("prod", "dump"))
    deadline = time.monotonic() + 5
    while "dump runs" not in streams[0].text() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert streams[0].text() == "  dump runs …\n"
    ui.pause()


def test_a_stream_that_knows_ascii_only(monkeypatch):
    out = Pipe("ascii")
    monkeypatch.setattr(sys, "stdout", out)
    ui = Ui()
    ui.tell(StepEnded("prod", "up", "done", 1.0, "naïve \udcff"))
    assert out.text() == "+ up  1.0 s  na\\xefve \\udcff\n"


def test_work_goes_on_when_nobody_watches(monkeypatch):
    """`inv deploy | head`: an exception here would end the deploy in the middle."""
    reader, writer = os.pipe()
    out = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", out)
    os.close(reader)
    ui = Ui()
    for _ in range(3):
        ui.tell(StepEnded("prod", "up", "done", 1.0))
    ui.end(record(HostRecord("prod")), None)
    out.close()


def on_terminal(monkeypatch, act, **environment):
    """What `act(ui)` writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environment}.items():
        monkeypatch.setenv(name, value)
    written = []
    reader = threading.Thread(target=read_all, args=(leader, written))
    reader.start()
    with os.fdopen(follower, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        act(Ui())
    reader.join(20)
    os.close(leader)
    return b"".join(written).decode()


def read_all(leader, written):
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while data := os.read(leader, 65536):
            written.append(data)


def steps(ui):
    ui.begin("deploy on prod", ["prod"])
    ui.tell(StepStarted("prod", "backup"))
    ui.tell(Progress("prod", "volume [uploads]", 500_000_000, 1_000_000_000))
    time.sleep(0.2)  # the live line is drawn by a clock of its own
    ui.tell(StepEnded("prod", "backup", "done", 12.0, "[bold]set[/bold]"))
    ui.end(record(HostRecord("prod", changed=True)), None)


def test_a_terminal_shows_what_runs(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = on_terminal(monkeypatch, steps)
    assert "volume [uploads]" in text
    assert "━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌" in text
    assert "500 MB of 1.0 GB" in text
    assert "[bold]set[/bold]" in text  # no markup
    assert "\x1b[32m✓" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text  # the cursor is back


def test_no_colours_where_none_are_wanted(monkeypatch):
    text = on_terminal(monkeypatch, steps, NO_COLOR="1")
    assert "\x1b[32m" not in text
    assert "✓ backup" in text


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    text = on_terminal(monkeypatch, steps, TERM="dumb")
    assert "\x1b" not in text
    assert "✓ backup  12 s  [bold]set[/bold]" in text


def test_many_threads_may_tell(monkeypatch):
    def act(ui):
        def work(host):
            for number in range(50):
                ui.tell(StepStarted(host, "s"))
                ui.tell(Progress(host, "p", number, 50))
                ui.tell(StepEnded(host, "s", "done", 0.1))

        ui.begin("x", ["a", "b"])
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        ui.pause()

    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal(monkeypatch, act).count("✓ s") >= 1


def test_a_plan_of_a_deploy_says_what_changes(streams):
    commits = {"since": "abc", "count": 22, "newest": ["1234567 Mend it"]}
    web = {"what": "recreate", "why": "image", "compose": ["ports: +80:80"], "image": "web", "image_before": None,
           "commits": commits}  # fmt: skip
    old, new = {"what": "remove", "why": ""}, {"what": "new", "why": "new", "image": "x", "commits": None}
    changes = {"files": {"changed": ["a", "b"]}, "env": {"added": ["NEW"], "changed": []}, "gap_seconds": 12.0}
    found = {"services": {"web": web, "old": old, "new": new}, "commits": None, "unchecked": ["side"], "stable": 5.0,
             "migrations": ["versions/a.py"], "migrate": None,
             "send": {"files": 1200, "images": None}}  # fmt: skip
    strategy = {"name": "rolling", "services": {"web": {"how": "stop first", "why": "a port"}}}
    result = {"plan": [], "changes": changes, "diff": found, "strategy": strategy}
    Ui().end(record(HostRecord("prod", result=result)), None)
    out = streams[0].text()
    for line in ("web  recreate: image", "     ports: +80:80", "     built from 22 commits since abc",
                 "       1234567 Mend it", "       … and 21 more", "old  remove", "new  new\n", "files: 2 changed",
                 "variables: added NEW", "without any health check: side; healthy after running for 5.0 s",
                 "new migrations: versions/a.py",
                 "to send: 1.2 kB of files; an unknown amount of images, as those here are now",
                 "nobody is served for about 12 s, as the last time"):  # fmt: skip
        assert line in out, line
