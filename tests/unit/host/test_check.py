import dataclasses

import pytest

from opslib.compose.environment import Environment
from opslib.compose.stack import Container, Stack
from opslib.host import check
from opslib.settings.model import Backup, Host
from opslib.settings.units import Reserve
from opslib.target.local import Local

HOST = Host(name="prod", path="/srv/a b", backup=Backup(reserve=Reserve(size=2_000_000_000)))
PROBE = """# now
1000.5
# bash
5.2.15(1)-release
# user
deploy
# missing
# folder /srv/a b
there yes 100000000000 50000000000 /srv/a b
# folder /srv/a b/backups
absent yes 100000000000 50000000000 /srv/a b
"""


def found(probe, skew=0.0):
    return {finding.rule: finding for finding in check.machine(probe, HOST, skew)}


def test_all_is_well():
    assert {finding.severity for finding in found(PROBE).values()} == {"ok"}
    assert found(PROBE)["backups"].what == "/srv/a b/backups (made when it is needed), 50.0 GB free"


@pytest.mark.parametrize(
    ("old", "new", "rule", "said", "do"),
    [
        ("# missing\n", "# missing\n flock\n tar\n", "programs", "missing: flock, tar", "install util-linux, tar"),
        ("5.2.15(1)", "4.3.30(1)", "bash", "bash is 4.3.30(1)-release", "newer bash"),
        ("there yes", "there no", "folder", "user deploy may not write in /srv/a b", "sudo chown deploy '/srv/a b'"),
        ("absent yes", "absent no", "backups", "may not write", "sudo install -d -o deploy '/srv/a b/backups'"),
        ("absent yes 100000000000 50", "absent yes 100000000000 1", "backups", "1.0 GB free", "reserve"),
    ],
)  # fmt: skip
def test_what_is_missing(old, new, rule, said, do):
    finding = found(PROBE.replace(old, new))[rule]
    assert finding.severity == "error"
    assert said in finding.what
    assert do in finding.do


def test_a_clock_that_differs_is_a_warning():
    assert found(PROBE, skew=9.0)["clock"].severity == "warning"


def test_the_probe_runs_here(tmp_path):
    host = Host(name="local", path=str(tmp_path / "not 'there' yet"))
    text = Local(host).run(check.probe_command(host)).text
    findings = {finding.rule: finding for finding in check.machine(text, host, 0.0)}
    assert findings["programs"].severity == "ok", findings["programs"]
    assert f"{host.path} (made when it is needed)" in findings["folder"].what
    assert not (tmp_path / "not 'there' yet").exists()


def container(**changes):
    fresh = Container(
        id="1", name="p-api-1", service="api", number=1, image="i", image_id="i", state="running", health="",
        exit_code=0, started_at="", restart_count=0, oom_killed=False, restart_policy="no", stop_timeout=10, labels={},
        mounts=(), env=Environment({}), ports=(), networks={}, network_mode="",
        user="",
    )  # fmt: skip
    return dataclasses.replace(fresh, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"state": "exited"}, None),
        ({"state": "exited", "exit_code": 3}, "ended with exit code 3"),
        ({"state": "restarting"}, "it is restarting"),
        ({"health": "unhealthy"}, "health check fails"),
        ({"health": "starting"}, None),
        ({"state": "exited", "exit_code": 3, "labels": {"com.docker.compose.oneoff": "True"}}, None),
    ],
)
def test_services(changes, said):
    findings = list(check.services(Stack("p", (container(**changes),)), "prod"))
    assert [said in finding.what for finding in findings] == ([True] if said else [])
    assert all(finding.do == "inv logs --host prod --service api" for finding in findings)
