"""How scanners are called, in what order images are scanned, and what a failure says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from opslib.command import Secret
from opslib.compose.project import Build, Project, Service
from opslib.compose.stack import Container, Stack
from opslib.errors import CommandFailed, OpsError, Unhealthy
from opslib.scan import grype, trivy
from opslib.scan.images import Subject, used
from opslib.scan.model import Report
from opslib.scan.policy import Rules
from opslib.scan.result import refuse, refuse_old, result, unrecognised
from opslib.scan.scanner import Scanner
from opslib.scan.work import Outcome, failure, waves, why
from opslib.settings.model import Host
from opslib.settings.scanning import Scan
from opslib.target.local import Local
from tests.unit.scan.test_policy import vulnerability

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


def scanner(
    kind: Any = "trivy", docker: tuple[str, ...] = ("docker",), inside: bool = False, **settings: Any
) -> Scanner:
    host = Host(name="local", path="/srv/app", docker=docker)
    return Scanner(kind, Local(host), Scan(**settings), inside, "0.74.0", NOW)


def test_trivy_reports_everything_whatever_fails() -> None:
    words = trivy.image(scanner(fail_on={"critical": 0.0}), "sha256:1")
    assert " ".join(words) == (
        "image --format json --list-all-pkgs --scanners vuln,secret --severity CRITICAL,HIGH,MEDIUM,LOW,UNKNOWN "
        "--exit-code 0 --ignorefile /dev/null --no-progress --timeout 600s --image-src docker,remote sha256:1"
    )
    offline = " ".join(
        trivy.image(scanner(offline=True, cache="/c", scanners=("vuln", "misconfig")), "x", archive="/t/a.tar")
    )
    for part in (
        "--cache-dir /c", "--skip-db-update --skip-java-db-update --offline-scan", "--skip-check-update",
        "--image-config-scanners misconfig", "--input /t/a.tar",
    ):  # fmt: skip
        assert part in offline
    assert "--image-src" not in offline


def test_a_token_is_in_no_argument() -> None:
    one = scanner(server="https://trivy.example.com", token=Secret("hunter2x"), docker=("sudo", "-n", "docker"))
    command = one.call(*trivy.image(one, "x"))
    names = "TRIVY_DISABLE_TELEMETRY,TRIVY_SKIP_VERSION_CHECK,TRIVY_TOKEN"
    assert command.stages[0].argv[:4] == ("sudo", f"--preserve-env={names}", "-n", "trivy")
    assert "--server https://trivy.example.com" in command.masked()
    assert "hunter2x" not in command.masked()
    assert "--skip-db-update" not in command.masked()


def test_in_a_container_without_a_network_where_nothing_is_fetched() -> None:
    text = scanner(inside=True, offline=True).call("image", "x").masked()
    for part in (
        "--network none", "type=volume,src=opslib-scan,dst=/cache", "src=/var/run/docker.sock",
        "aquasec/trivy:latest image x", "--workdir /",
    ):  # fmt: skip
        assert part in text
    assert "--network bridge" in scanner(inside=True).call("image", "x").masked()


def test_grype_has_no_options_for_its_database() -> None:
    one = scanner("grype", offline=True, cache="/c")
    assert one.env["GRYPE_DB_AUTO_UPDATE"] == "false"
    assert one.env["GRYPE_DB_CACHE_DIR"] == "/c/grype"
    assert grype.image("sha256:1", known=True) == ["docker:sha256:1", "--output", "json", "--quiet"]
    assert grype.image("r.example.com/a:1", known=False)[0] == "registry:r.example.com/a:1"
    assert grype.image("x", known=True, archive="/t/a.tar", form="cyclonedx") == [
        "docker-archive:/t/a.tar", "--output", "cyclonedx-json", "--quiet",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "layers, first_alone, wanted",
    [
        ([["a"], ["b"]], False, [[0, 1]]),
        ([["a"], ["b"]], True, [[0], [1]]),
        # what is common is read by the smallest, then all the others may go at once
        ([["a", "x"], ["a"], ["a", "y"]], False, [[1], [0, 2]]),
        ([["a", "b", "x"], ["a", "b", "y"], ["a", "b", "z"]], False, [[0], [1, 2]]),
        ([["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]], False, [[0], [1], [2]]),
        ([], False, []),
    ],
)
def test_each_layer_is_read_once(layers: list[list[str]], first_alone: bool, wanted: list[list[int]]) -> None:
    found = waves(layers, first_alone=first_alone)
    assert found == wanted
    read: set[str] = set()
    for wave in found:
        new = [layer for at in wave for layer in layers[at] if layer not in read]
        assert len(new) == len(set(new))
        read.update(new)


def test_fourteen_images_of_one_base_are_two_waves() -> None:
    assert [len(wave) for wave in waves([["base", f"own {at}"] for at in range(14)])] == [1, 13]


@pytest.mark.parametrize(
    "stderr, codes, said",
    [
        ("2026-11-30T12:00:00Z\tINFO\tx\n2026-11-30T12:00:00Z\tFATAL\tFatal error\trun error: init error: DB error\n\t* more",
         (1,), "init error: DB error\n    * more"),
        ("", (137,), "killed"),
        ("", (2,), "ended with 2"),
        ("a\nb", (1,), "a\n    b"),
    ],
)  # fmt: skip
def test_what_a_scanner_says_of_its_failure(stderr: str, codes: tuple[int, ...], said: str) -> None:
    assert said in why(CommandFailed("x", codes=codes, stderr=stderr))


def outcome(name: str = "api:1", report: Report | None = None, error: str = "", **more: Any) -> Outcome:
    return Outcome(Subject(name, ("api",), **more), report, f"{name}.json" if report else "", error)


def test_three_outcomes_that_are_never_confused() -> None:
    rules = Rules(NOW, {"critical": 0.0})
    clean = result([outcome(report=Report(os="debian 12"))], scanner(), rules, {}, whole=True)
    refuse(clean, "prod")
    assert (clean["failing"], clean["failed"], failure([outcome(report=Report())], "prod")) == (0, 0, None)
    found = [outcome(report=Report((vulnerability(),)))]
    with pytest.raises(Unhealthy, match=r"CVE-1 \(critical\) in openssl 1 of api:1, fixed in 2"):
        refuse(result(found, scanner(), rules, {}, whole=True), "prod")
    broken = [*found, outcome("db:1", error="no such image")]
    error = failure(broken, "prod")
    assert error is not None
    assert (error.exit_code, "db:1 could not be scanned: no such image" in error.what) == (1, True)
    assert result(broken, scanner(), rules, {}, whole=True)["failed"] == 1


def test_an_old_database_proves_nothing() -> None:
    for age, refused in ((6, False), (8, True)):
        one = scanner(db_age=7 * 86400.0)
        if refused:
            with pytest.raises(OpsError, match="8 days old"):
                refuse_old(one, NOW - timedelta(days=age), NOW, "prod")
        else:
            refuse_old(one, NOW - timedelta(days=age), NOW, "prod")
    with pytest.raises(OpsError, match="nothing is proven"):
        refuse_old(scanner(), None, NOW, "prod")
    refuse_old(scanner(server="http://a"), None, NOW, "prod")


def test_an_image_of_which_nothing_was_recognised_is_named() -> None:
    found = [outcome(report=Report()), outcome("web:1", Report(packages=3)), outcome("x", error="y")]
    assert unrecognised(result(found, scanner(), Rules(NOW), {}, whole=True)) == ["api:1"]


def test_what_runs_and_what_is_wanted() -> None:
    services = {name: Service(name, image, build) for name, image, build in (
        ("api", "app:2", Build(".", "Dockerfile")), ("worker", "app:2", None), ("db", "postgres:15", None))}  # fmt: skip
    running = [container("api", "sha256:old"), container("api", "sha256:old"), container("gone", "sha256:gone")]
    found = used(Project("shop", services), Stack("shop", tuple(running)), ())
    assert [(one.name, one.services, one.wanted) for one in found] == [
        ("app:2", ("api", "worker"), True), ("postgres:15", ("db",), True),
        ("sha256:old", ("api",), False), ("sha256:gone", ("gone",), False),
    ]  # fmt: skip
    assert [one.name for one in used(Project("shop", services), Stack("shop", tuple(running)), ["db"])] == [
        "postgres:15"
    ]


def container(service: str, image: str) -> Container:
    return Container(
        id="1", name=service, service=service, number=1, image="app:1", image_id=image, state="running", health="",
        exit_code=0, started_at="", restart_count=0, oom_killed=False, restart_policy="no", stop_timeout=10, labels={},
        mounts=(), env=None, ports=(), networks={}, network_mode="", user="",  # type: ignore[arg-type]
    )  # fmt: skip
