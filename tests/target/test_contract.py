"""The contract of a target, run against this machine, against a server over SSH, and against one behind a hop."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from opslib.command import Secret, bash, command, pipe
from opslib.errors import Cancelled, CommandFailed, HostLost, Locked
from opslib.events import Note
from opslib.settings.units import address, hops
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.lock import locked
from opslib.target.ssh import Ssh
from opslib.target.transfer import get, put, put_bytes, read_file, stream_in, stream_out
from tests.conftest import Place, placed

HOSTILE = ["a b", "'", '"', "$HOME", "`id`", "-rf", "é☃", "a\nb", ";exit 7", "*", "\\", "!x", "#c", "~", ""]
SECRET = Secret("s3cret 'w$rd\"")


@pytest.fixture(params=["local", "ssh", "jump"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A folder of the test's own on each kind of target."""
    yield from placed(request, tmp_path)


def until(condition: str, target: Target, seconds: int = 20) -> None:
    """Wait there for a bash condition."""
    script = f"for ((i=0;i<{seconds * 10};i++)); do {condition} && exit 0; sleep .1; done; exit 1"
    target.run(bash(script))


def test_arguments_arrive_as_they_are(target: Target) -> None:
    out = target.run(command("printf", "%s\\0", *HOSTILE)).out
    assert out.decode().split("\0")[:-1] == HOSTILE


def test_environment_is_clean_and_explicit(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://nowhere:1")
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "wrong")
    names = {line.split("=")[0] for line in target.run(command("env", env={"MINE": "a b"})).lines}
    assert "MINE" in names
    assert not {name for name in names if name.startswith(("DOCKER", "COMPOSE", "OPSLIB"))}


def test_every_stage_has_its_exit_code(target: Target) -> None:
    cmd = pipe(bash("exit 3"), command("cat"), bash("cat; exit 5"))
    assert target.run(cmd, check=False).ended.codes == (3, 0, 5)
    with pytest.raises(CommandFailed) as failure:
        target.run(cmd)
    assert failure.value.codes == (3, 0, 5)


def test_stdout_is_bytes_and_stderr_apart(target: Target) -> None:
    data = bytes(range(256)) * 100
    result = target.run(pipe(command("cat", feed=data), bash("cat; echo said >&2")))
    assert result.out == data
    assert result.ended.stderr == "said"


def test_a_secret_is_masked_and_in_no_argv(target: Target) -> None:
    look = 'for p in /proc/[0-9]*; do tr "\\0" " " <"$p/cmdline"; echo; done 2>/dev/null'
    result = target.run(bash(look + '; echo "got $PW" >&2', env={"PW": SECRET}, feed=SECRET))
    assert SECRET.reveal() not in result.text
    assert "bash" in result.text
    assert result.ended.stderr == "got ***"
    with pytest.raises(CommandFailed) as failure:
        target.run(bash('echo "$PW" >&2; kill -9 $$', env={"PW": SECRET}))
    assert SECRET.reveal() not in str(failure.value)


def test_a_killed_program_does_not_print_its_secrets(target: Target) -> None:
    ended = target.run(bash("kill -9 $$", env={"PW": SECRET}), check=False).ended
    assert ended.codes == (137,)
    assert ended.stderr == ""


def test_bulk_both_ways(target: Target, tmp_path: Path) -> None:
    block = os.urandom(1024 * 1024)
    source = tmp_path / "big"
    source.write_bytes(block * 40)
    digest = hashlib.sha256(block * 40).hexdigest()
    with source.open("rb") as file:
        assert stream_in(target, command("sha256sum"), file).decode().split()[0] == digest
    put(target, source, f"{target.root}/x/{HOSTILE[2]} é")
    seen = []
    get(target, f"{target.root}/x/{HOSTILE[2]} é", tmp_path / "back", moved=seen.append)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert seen[-1] == source.stat().st_size
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o600


def test_a_slow_reader_holds_the_writer_back(target: Target) -> None:
    process = target.start(bash("sleep 2; cat >/dev/null", streams=True))
    sent = threading.Event()

    def write() -> None:
        process.write(b"x" * 64 * 1024 * 1024)
        process.end_input()
        sent.set()

    threading.Thread(target=write, daemon=True).start()
    assert not sent.wait(1.0)
    assert sent.wait(60)
    assert target.finish(process).ok


def test_much_stderr_does_not_block_either_way(target: Target) -> None:
    noisy = bash("head -c 5000000 /dev/zero | tr '\\0' e >&2; cat", feed=b"x" * 300_000)
    assert len(target.run(noisy).out) == 300_000


def test_results_are_bounded(target: Target) -> None:
    with pytest.raises(CommandFailed, match="more than"):
        target.run(command("head", "-c", "3000000", "/dev/zero"))
    assert stream_out(target, command("head", "-c", "3000000", "/dev/zero"), lambda block: None) == 3_000_000


def test_a_limit_ends_the_command(target: Target) -> None:
    with pytest.raises(CommandFailed, match="not done after 1 s"):
        target.run(bash('echo $$ >"$1/pid"; exec sleep 500', target.root, limit=1.0))
    until(f'! kill -0 "$(cat {quoted(target)}/pid)" 2>/dev/null', target)


def quoted(target: Target) -> str:
    from opslib.command import quote

    return quote(target.root)


def test_kill_from_another_thread_ends_the_whole_group_after_on_break(target: Target) -> None:
    mark = f"{target.root}/broken"
    cmd = bash('sleep 500 & echo $! >"$1/child"; wait', target.root)
    process = target.start(cmd.with_(on_break=bash('cat "$1/child" >"$2"', target.root, mark)))
    until(f"[[ -s {quoted(target)}/child ]]", target)
    threading.Timer(0.1, process.kill).start()
    with pytest.raises(Cancelled):
        target.finish(process)
    child = read_file(target, mark)
    assert child is not None
    assert child.strip().isdigit()
    until(f"! kill -0 {child.decode().strip()} 2>/dev/null", target)


def test_on_break_comes_once_more_when_all_are_dead(target: Target) -> None:
    """What a client had asked an engine for may come to be after the first time."""
    mark = f"{target.root}/broken"
    cmd = bash('sleep 500 & echo $! >"$1/child"; wait', target.root)
    seen = bash('kill -0 "$(cat "$1/child")" && echo alive >>"$2" || echo dead >>"$2"', target.root, mark)
    process = target.start(cmd.with_(on_break=seen))
    until(f"[[ -s {quoted(target)}/child ]]", target)
    process.kill()
    with pytest.raises(Cancelled):
        target.finish(process)
    until(f"[[ $(wc -l <{quoted(target)}/broken) = 2 ]]", target)
    assert read_file(target, mark) == b"alive\ndead\n"


def test_cancel_refuses_more_until_resume(target: Target) -> None:
    target.cancel()
    with pytest.raises(Cancelled):
        target.run(command("true"))
    target.resume()
    target.run(command("true"))


def test_a_broken_off_writer_is_never_an_end_of_file(target: Target) -> None:
    """The program inside must not take half of its data for all of them."""
    done = f"{target.root}/committed"
    process = target.start(bash('cat >/dev/null; touch "$1"', done, streams=True))
    process.write(b"half")
    process.kill()
    with pytest.raises(Cancelled):
        target.finish(process)
    assert read_file(target, done) is None


def test_put_is_whole_or_absent(target: Target, tmp_path: Path) -> None:
    path = f"{target.root}/file"
    put_bytes(target, b"old", path)
    with pytest.raises(CommandFailed, match=r"cannot|not|Is a directory"):
        put_bytes(target, b"x", f"{target.root}/file/below")
    assert read_file(target, path) == b"old"
    put_bytes(target, b"new", path, mode=0o640)
    assert target.run(command("stat", "-c", "%a", path)).text == "640"
    listing = target.run(command("ls", "-A", target.root)).lines
    assert listing == ["file"]


def test_an_error_of_ours_is_the_one_that_is_raised(target: Target) -> None:
    def full(block: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        stream_out(target, command("cat", "/dev/zero"), full)


def test_get_of_what_is_not_there_leaves_nothing(target: Target, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        get(target, f"{target.root}/none", tmp_path / "x")
    assert list(tmp_path.glob("x*")) == []


def test_lines_come_as_they_are_printed(target: Target) -> None:
    failing = target.lines(bash("echo one; printf two; exit 3"))
    assert [next(failing), next(failing)] == ["one", "two"], "what stands last may say why"
    with pytest.raises(CommandFailed):
        next(failing)
    lines = target.lines(bash("echo one; until [[ -e $1/go ]]; do sleep .05; done; echo two", target.root))
    assert next(lines) == "one"
    put_bytes(target, b"", f"{target.root}/go")
    assert list(lines) == ["two"]


def test_without_input_a_reader_sees_an_end_at_once(target: Target) -> None:
    assert target.run(bash("cat; echo end", limit=10.0)).text == "end"


def test_program_that_is_not_there(target: Target) -> None:
    with pytest.raises(CommandFailed, match="no-such-program") as failure:
        target.run(command("no-such-program"))
    assert failure.value.codes == (127,)


def test_the_lock_is_for_one(place: Place, target: Target) -> None:
    other = place.connect()
    with locked(target, run="r1", holder="anna@desk: deploy, since 12:00"):
        assert target.run(command("echo", "works")).text == "works"
        with pytest.raises(Locked, match="anna@desk: deploy") as refusal, locked(other, run="r2", holder="b"):
            pass
        assert refusal.value.exit_code == 4
        with pytest.raises(Locked), locked(other, run="r3", holder="b", wait=1):
            pass
        assert any(isinstance(event, Note) and "anna@desk" in event.text for event in place.events)
    with locked(other, run="r4", holder="b"):
        pass
    other.close()


@pytest.mark.parametrize("place", ["local", "ssh", pytest.param("jump", marks=pytest.mark.full)], indirect=True)
def test_the_lock_is_kept_for_as_long_as_the_controller_answers(target: Target) -> None:
    """Longer than the silence after which either side gives the other up."""
    with locked(target, run="r1", holder="a"):
        target.run(command("sleep", "40"))
        assert not target.lost


def test_what_nobody_waited_for_ends_with_the_lock(target: Target) -> None:
    with locked(target, run="r1", holder="a"):
        left = target.start(bash("echo started; exec sleep 1000"))
        assert left.read() == b"started\n"
    with locked(target, run="r2", holder="b"):
        assert target.run(command("echo", "works")).text == "works"


def test_what_another_thread_waits_for_ends_with_the_lock(target: Target) -> None:
    ends: list[type[BaseException]] = []

    def wait(began: str) -> None:
        try:
            target.run(bash(': >"$1"; sleep 1000', began, limit=100))
        except BaseException as error:
            ends.append(type(error))

    for number in range(5):
        began = f"{target.root}/began{number}"
        thread = threading.Thread(target=wait, args=[began], daemon=True)
        with locked(target, run=f"r{number}", holder="a"):
            thread.start()
            target.run(bash("until [[ -e $1 ]]; do sleep .01; done", began))
        thread.join(20)
    assert ends == [Cancelled] * 5


def test_a_waiting_run_gets_the_lock(place: Place, target: Target) -> None:
    other = place.connect()
    got = threading.Event()

    def wait() -> None:
        with locked(other, run="r2", holder="b", wait=60):
            got.set()

    with locked(target, run="r1", holder="a"):
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert not got.wait(1.0)
    assert got.wait(20)
    thread.join(20)
    other.close()


CONTROLLER = """
import os, sys
from opslib.command import bash
from opslib.settings.model import Host
from opslib.settings.units import address, hops
from opslib.target.connect import connect
from opslib.target.lock import locked
path, at, jump = sys.argv[1:]
t = connect(Host(name="x", path=path, address=address(at) if at else None, jump=hops(jump) if jump else None))
with locked(t, run="dead", holder="the dead one"):
    process = t.start(bash('echo $$ >"$1/pid"; cat >/dev/null; touch "$1/committed"', t.root, streams=True))
    process.write(b"half of it")
    t.run(bash('for ((i=0;i<100;i++)); do [[ -s $1/pid ]] && exit 0; sleep .1; done; exit 1', t.root))
    t.run(bash('setsid sleep 300 <&- >&- 2>&- 9>&- & : >"$2/procs/$!"; echo "$!" >"$1/bystander"', t.root, t.state))
    print("ready", flush=True)
    process.wait()
"""


def test_kill_9_of_the_controller_frees_the_lock_and_ends_its_commands(place: Place, target: Target) -> None:
    """And nothing else: a process that has been given the id of one that is gone is left alone."""
    target.run(command("true"))
    controller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CONTROLLER,
            target.root,
            str(place.host.address or ""),
            ",".join(map(str, place.host.jump or ())),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert controller.stdout is not None
    assert controller.stdout.readline() == "ready\n"
    controller.send_signal(signal.SIGKILL)
    controller.wait()
    began = time.monotonic()
    with locked(target, run="next", holder="the next one", wait=60):
        pid = read_file(target, f"{target.root}/pid")
        assert pid is not None
        assert not target.run(bash('kill -0 "$1"', pid.decode().strip()), check=False).ended.ok
        assert read_file(target, f"{target.root}/committed") is None
    assert time.monotonic() - began < 60
    target.run(bash('kill "$(<"$1/bystander")"', target.root))


def test_a_command_without_the_lock_of_its_run_does_nothing(target: Target) -> None:
    with locked(target, run="mine", holder="me"):
        target.holding(target.state, "another")
        with pytest.raises(HostLost, match="gave the lock up"):
            target.run(bash('touch "$1/done"', target.root), check=False)
        assert target.lost
        target.reconnect()
    assert read_file(target, f"{target.root}/done") is None


@pytest.mark.parametrize("place", ["ssh", "jump"], indirect=True)  # a local shell has no line
def test_a_lost_line_wakes_whoever_waits(place: Place) -> None:
    target = place.connect()
    process = target.start(command("sleep", "100"))
    threading.Timer(0.3, target.lose).start()
    with pytest.raises(HostLost):
        target.finish(process)
    with pytest.raises(HostLost):
        target.run(command("true"))
    target.reconnect()
    assert target.run(command("echo", "back")).text == "back"
    target.close()


@pytest.mark.parametrize("place", ["jump"], indirect=True)
@pytest.mark.parametrize("said_by", ["ssh_config", "the host file"])
def test_through_a_chain_of_two(
    place: Place, ssh_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said_by: str
) -> None:
    """Each hop with a user of its own, both of the keeper's and of the commands' connections, after a loss too."""
    chain = "plain@one,sudoer@one-inside"
    if said_by == "ssh_config":
        config = tmp_path / "config"
        config.write_text(f"Match originalhost one-inside user deploy\n  ProxyJump {chain}\n{ssh_config.read_text()}")
        monkeypatch.setenv("OPSLIB_SSH_CONFIG", str(config))
        host = msgspec.structs.replace(place.host, address=address("deploy@one-inside"), jump=None)
    else:
        host = msgspec.structs.replace(place.host, jump=hops(chain))
    target = connect(host)
    assert isinstance(target, Ssh)
    assert [hop.user for hop in target.settings.proxy_jump] == ["plain", "sudoer"]
    with locked(target, run="r1", holder="a"):
        who = target.run(bash('printf "%s " "$(id -un)"; cat', feed=b"fed")).text
        assert who == "deploy fed"
        target.lose()
    target.reconnect()
    with locked(target, run="r2", holder="b"):
        assert target.run(command("echo", "works")).text == "works"
    target.close()
