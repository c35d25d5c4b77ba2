"""Whether a container is healthy, decided from what was seen; where an HTTP check asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.compose.health import parse_poll, poll_command
from opslib.compose.project import Port, Service
from opslib.compose.verdict import Answer, HttpCheck, Verdict, judge, unix
from opslib.errors import BadSettings
from opslib.settings.model import Host

from .seen import container, inspected

STARTED = unix("2026-11-22T02:00:00.5Z")
CHECK = HttpCheck("localhost", 80, "/health")


def verdict(*, one_shot: bool = False, restarts: int = 0, check: HttpCheck | None = None, answer: Answer | None = None,
            age: float = 100, service: Service | None = None, **changes: Any) -> Verdict:  # fmt: skip
    return judge(
        service or Service("api", "x"), container(**changes), one_shot=one_shot, restarts=restarts, check=check,
        answer=answer, now=STARTED + age, stable=5,
    )  # fmt: skip


def health(status: str, output: str = "") -> dict[str, Any]:
    return {"Health": {"Status": status, "Log": [{"Output": output}]}}


def exited(code: int = 0, **more: Any) -> dict[str, Any]:
    return {"Status": "exited", "ExitCode": code, **more}


def test_running_counts_after_a_while() -> None:
    assert verdict(age=5).good
    assert verdict(age=4) == Verdict("running for 4 s")


@pytest.mark.parametrize(
    "status, good, failed", [("healthy", True, False), ("starting", False, False), ("unhealthy", False, True)]
)
def test_docker_health(status: str, good: bool, failed: bool) -> None:
    found = verdict(state=health(status))
    assert (found.good, found.failed) == (good, failed)


def test_the_last_word_of_a_health_check_is_told() -> None:
    assert "curl: not  found".replace("  ", " ") in verdict(state=health("unhealthy", "curl: not \n found")).seen


@pytest.mark.parametrize(
    "answer, good", [(Answer(204), True), (Answer(503), False), (Answer(0, 7), False), (None, False)]
)
def test_http(answer: Answer | None, good: bool) -> None:
    found = verdict(check=CHECK, answer=answer)
    assert (found.good, found.failed) == (good, False)
    assert "GET /health" in found.seen


def test_http_and_docker_health_must_both_pass() -> None:
    assert not verdict(check=CHECK, answer=Answer(200), state=health("starting")).good
    assert not verdict(check=CHECK, answer=Answer(500), state=health("healthy")).good
    assert verdict(check=CHECK, answer=Answer(200), state=health("healthy")).good


def test_one_that_ended_ends_the_wait() -> None:
    found = verdict(state=exited(3))
    assert found.failed
    assert "exit code 3" in found.seen
    assert "memory" in verdict(state=exited(137, OOMKilled=True)).seen


def test_one_shots() -> None:
    assert verdict(state=exited(), one_shot=True, restart="unless-stopped").good
    assert verdict(state=exited(), restart="no", ports={}).good
    assert verdict(state=exited(1), one_shot=True).failed
    assert not verdict(one_shot=True).good
    # a server that says it is done is not: others are to reach it, or it is to be kept running
    assert verdict(state=exited(), restart="unless-stopped", ports={}).failed
    assert verdict(state=exited(), restart="no", ports={}, check=CHECK).failed
    published = Service("api", "x", ports=(Port("", "80", 80, "tcp"),))
    assert verdict(state=exited(), restart="no", ports={}, service=published).failed


def test_restarts_end_the_wait() -> None:
    assert verdict(state={"Status": "restarting", "ExitCode": 1}).failed
    assert verdict(restarts=0, RestartCount=1).failed
    assert verdict(restarts=3, RestartCount=3).good


@pytest.mark.parametrize("state, failed", [("created", False), ("paused", True), ("removing", True), ("dead", True)])
def test_other_states(state: str, failed: bool) -> None:
    found = verdict(state={"Status": state})
    assert (found.good, found.failed) == (False, failed)


def test_addresses() -> None:
    seen = container()  # 8080 -> 80
    assert list(HttpCheck.from_url("http://localhost/x").addresses(seen)) == [("172.18.0.2", 80), ("127.0.0.1", 8080)]
    assert list(HttpCheck.from_url("http://127.0.0.1:8080/").addresses(seen)) == [
        ("172.18.0.2", 80), ("127.0.0.1", 8080),
    ]  # fmt: skip
    assert list(HttpCheck.from_url("http://localhost:9000/").addresses(seen)) == [("172.18.0.2", 9000)]
    assert list(HttpCheck.from_url("http://10.0.0.9:1/").addresses(seen)) == [("10.0.0.9", 1)]
    on_host = container(ports={}, networks={"host": {"IPAddress": ""}}, network_mode="host")
    assert list(HttpCheck.from_url("http://localhost:9000/").addresses(on_host)) == [("127.0.0.1", 9000)]
    bound = container(ports={"80/tcp": [{"HostIp": "10.1.1.1", "HostPort": "8080"}]}, networks={})
    assert list(HttpCheck.from_url("http://localhost:8080/").addresses(bound)) == [("10.1.1.1", 8080)]


def test_urls() -> None:
    assert HttpCheck.from_url("http://localhost:8000/health?deep=1", 9) == HttpCheck(
        "localhost", 8000, "/health?deep=1", 9
    )
    for bad in ("https://localhost/", "localhost:80", "http://localhost:x/", "http://localhost/a b", "http:///x"):
        with pytest.raises(BadSettings):
            HttpCheck.from_url(bad)


def test_poll_keeps_words_apart() -> None:
    cmd = poll_command(Host(name="p", path="x"), "shop", [("id1", "/a'b", (("10.0.0.1", 80), ("127.0.0.1", 8080)))])
    assert cmd.stages[0].argv[3:] == (
        "opslib", "1", "docker", "shop", "id1", "/a'b", "10.0.0.1 80 127.0.0.1 8080",
    )  # fmt: skip
    assert "shop" not in cmd.stages[0].argv[2]


def test_parse_poll() -> None:
    text = f"# now\n12.5\n# containers\n{json.dumps(inspected())}\n# http\nid-api 0 200\nother 7 0\n"
    now, containers, answers = parse_poll(text)
    assert (now, [c.id for c in containers]) == (12.5, ["id-api"])
    assert answers == {"id-api": Answer(200), "other": Answer(0, 7)}
    assert str(answers["other"]) == "refused the connection"


@pytest.mark.parametrize(
    "text, time",
    [
        ("1970-01-01T00:00:01.123456789Z", 1.123456),
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:01.5+01:00", 1.5),
        ("", 0.0),
    ],
)
def test_dockers_time(text: str, time: float) -> None:
    assert unix(text) == pytest.approx(time)
