"""Whether a container is healthy, decided from what was seen; where an HTTP check asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.compose.checks import Answer, Check, CommandCheck, HttpCheck, TcpCheck, check_of
from opslib.compose.health import parse_poll, poll_command
from opslib.compose.project import Port, Service, parse_project
from opslib.compose.verdict import Verdict, judge, unix
from opslib.deploy.switch import patience
from opslib.errors import BadSettings
from opslib.settings.health import HealthSpec
from opslib.settings.model import Deploy, Host
from opslib.settings.units import Address

from .seen import container, inspected

STARTED = unix("2026-11-22T02:00:00.5Z")
CHECK = HttpCheck("localhost", 80, "/health")


def verdict(*, one_shot: bool = False, restarts: int = 0, check: Check | None = None, answer: Answer | None = None,
            age: float = 100, settled: float = 0, service: Service | None = None, **changes: Any) -> Verdict:  # fmt: skip
    return judge(
        service or Service("api", "x"), container(**changes), one_shot=one_shot, restarts=restarts, check=check,
        answer=answer, now=STARTED + age, stable=5, settled=settled,
    )  # fmt: skip


def health(status: str, output: str = "") -> dict[str, Any]:
    return {"Health": {"Status": status, "Log": [{"Output": output}]}}


def exited(code: int = 0, **more: Any) -> dict[str, Any]:
    return {"Status": "exited", "ExitCode": code, **more}


def test_running_counts_after_a_while() -> None:
    assert verdict(age=5).good
    assert verdict(age=4) == Verdict("running for 4 s")


def test_what_is_healthy_must_also_have_run_for_a_while() -> None:
    early = verdict(age=2, settled=3, state=health("healthy"))
    assert (early.good, early.failed, early.seen) == (False, False, "healthy, running for 2 s")
    assert verdict(age=3, settled=3, state=health("healthy")).good
    early = verdict(age=2, settled=3, check=CHECK, answer=Answer(0, 200))
    assert (early.good, early.failed) == (False, False)
    assert verdict(age=3, settled=3, check=CHECK, answer=Answer(0, 200)).good


@pytest.mark.parametrize(
    "status, good, failed", [("healthy", True, False), ("starting", False, False), ("unhealthy", False, True)]
)
def test_docker_health(status: str, good: bool, failed: bool) -> None:
    found = verdict(state=health(status))
    assert (found.good, found.failed) == (good, failed)


def test_the_last_word_of_a_health_check_is_told() -> None:
    assert "curl: not  found".replace("  ", " ") in verdict(state=health("unhealthy", "curl: not \n found")).seen


@pytest.mark.parametrize(
    "answer, good", [(Answer(0, 204), True), (Answer(0, 503), False), (Answer(7), False), (None, False)]
)
def test_http(answer: Answer | None, good: bool) -> None:
    found = verdict(check=CHECK, answer=answer)
    assert (found.good, found.failed) == (good, False)
    assert "GET /health" in found.seen


def test_http_and_docker_health_must_both_pass() -> None:
    assert not verdict(check=CHECK, answer=Answer(0, 200), state=health("starting")).good
    assert not verdict(check=CHECK, answer=Answer(0, 500), state=health("healthy")).good
    assert verdict(check=CHECK, answer=Answer(0, 200), state=health("healthy")).good


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
    http = HttpCheck("localhost", 80, "/a'b", header=("x-a", "1 2"), body='"$x"')
    at = (("10.0.0.1", 80), ("127.0.0.1", 8080))
    asked: list[tuple[str, Check, tuple[tuple[str, int], ...]]] = [
        ("id1", http, at), ("id2", TcpCheck("localhost", 5), at[:1]), ("id3", CommandCheck(("sh", "-c", "x y")), ())
    ]  # fmt: skip
    cmd = poll_command(Host(name="p", path="x"), "shop", asked)
    assert cmd.stages[0].argv[3:] == (
        "opslib", "1", "docker", "shop",
        "id1", "10.0.0.1 80 127.0.0.1 8080", "5", "http", "/a'b", "x-a", "1 2", '"$x"',
        "id2", "10.0.0.1 80", "1", "tcp", "id3", "", "4", "exec", "sh", "-c", "x y",
    )  # fmt: skip
    assert "shop" not in cmd.stages[0].argv[2]


def test_parse_poll() -> None:
    lines = ["id-api 0 200 y n", "other 7 0 y y", "cmd 3 0 y y  last  words "]
    now, containers, answers = parse_poll(
        "# now\n12.5\n# containers\n" + json.dumps(inspected()) + "\n# answers\n" + "\n".join(lines)
    )
    assert (now, [c.id for c in containers]) == (12.5, ["id-api"])
    assert answers == {"id-api": Answer(0, 200, True, False), "other": Answer(7), "cmd": Answer(3, said="last  words")}


def test_a_task_of_a_swarm_is_asked_at_the_address_that_this_machine_reaches() -> None:
    bridge = {"id-api": {"IPv4Address": "172.19.0.4/16"}, "ingress-sbox": {"IPv4Address": "172.19.0.2/16"}}
    text = f"# now\n1\n# containers\n{json.dumps(inspected())}\n# gateways\n{json.dumps(bridge)}\n# answers\n"
    assert dict(parse_poll(text)[1][0].networks) == {"docker_gwbridge": "172.19.0.4"}


def test_a_task_that_ended_between_the_list_and_the_look_is_none() -> None:
    """The Swarm has another in its place, and knows why."""
    ended = {"state": {"Status": "exited"}}
    task = json.dumps(inspected(labels={"com.docker.swarm.task.id": "x"}, **ended))
    text = f"# now\n1\n# containers\n{json.dumps(inspected(id='mine', **ended))}\n{task}\n# answers\n"
    assert [one.id for one in parse_poll(text)[1]] == ["mine"]


@pytest.mark.parametrize(
    "check, answer, good, said",
    [
        (CHECK, Answer(7), False, "GET /health on port 80 refused the connection"),
        (CHECK, Answer(9), False, "GET /health on port 80 sent no HTTP answer"),
        (CHECK, Answer(0, 302), False, "GET /health on port 80 answered 302"),
        (HttpCheck("localhost", 80, statuses=(302,)), Answer(0, 302), True, "GET / answered 302"),
        (HttpCheck("localhost", 80, statuses=(302,)), Answer(0, 200), False, "GET / on port 80 answered 200"),
        (HttpCheck("localhost", 80, header=("x-a", "")), Answer(0, 200, False), False, "answered 200 without the header x-a"),
        (HttpCheck("localhost", 80, body="ok"), Answer(0, 200, True, False), False, "200 without the text that is wanted"),
        (TcpCheck("localhost", 5), Answer(), True, "port 5 accepts connections"),
        (TcpCheck("localhost", 5), Answer(124), False, "port 5 did not answer in 5 s"),
        (TcpCheck("localhost", 5), None, False, "port 5 was not asked yet"),
        (CommandCheck(("check",)), Answer(), True, "check ended with 0"),
        (CommandCheck(("check",)), Answer(3, said="no luck"), False, "check ended with 3: no luck"),
        (CommandCheck(("check",)), Answer(124), False, "check did not end in 10 s"),
    ],
)  # fmt: skip
def test_what_a_check_says(check: Check, answer: Answer | None, good: bool, said: str) -> None:
    found = verdict(check=check, answer=answer)
    assert (found.good, found.failed) == (good, False)
    assert said in found.seen


def test_checks_of_the_host_file() -> None:
    assert check_of(HealthSpec(tcp=Address("10.0.0.5", port=5432), seconds=3)) == TcpCheck("10.0.0.5", 5432, 3)
    assert check_of(HealthSpec(command=("x",))) == CommandCheck(("x",))
    found = check_of(HealthSpec(url="http://localhost/a", status=(200, 302), header="x-a:b: c", body="ok"))
    assert found == HttpCheck("localhost", 80, "/a", None, (200, 302), ("x-a", "b: c"), "ok")


def test_how_long_services_may_take() -> None:
    def of(deploy: Deploy, **health: object) -> float:
        config = {"name": "p", "services": {"a": {"image": "x", "healthcheck": {"test": ["CMD", "x"], **health}}}}
        return patience(deploy, parse_project(config))

    assert of(Deploy()) == 120
    assert of(Deploy(), start_period="5m0s", interval="1m30s", retries=2) == 480
    assert of(Deploy(), start_period="1.5s", interval="500ms") == 120
    assert of(Deploy(timeout=30), start_period="5m0s") == 30


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
