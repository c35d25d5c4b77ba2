"""The eighteen mistakes that the scripts of five real projects make: each is found, or cannot be made with opslib.

Where the whole of it is shown on a real engine the test here names that one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import opslib
from opslib.backup.formats.look import LOOK
from opslib.backup.formats.recognise import recognise
from opslib.backup.pack import _PACK
from opslib.backup.postgres import PostgresDatabase, dump_command
from opslib.backup.retention import verdicts
from opslib.backup.scan import Inside
from opslib.backup.sets import SetInfo
from opslib.command import Secret, bash
from opslib.compose.project import parse_project
from opslib.compose.stack import SeenVolume, Stack
from opslib.compose.verdict import judge
from opslib.deploy import look_losses, losses
from opslib.engines.find import parse_seen
from opslib.engines.instance import Login
from opslib.engines.postgres_restore import loader
from opslib.env.check import Seen, check
from opslib.env.file import OnDisk, in_git, outside
from opslib.errors import OpsError
from opslib.lint.model import Facts, ImageFacts
from opslib.proxy import nginx
from opslib.proxy.servers import Server
from opslib.settings.dotenv import EnvFile
from opslib.settings.keep import Keep
from opslib.settings.model import Backup, Host
from opslib.target.local import Local
from tests.unit.backup.test_commands import PG, STAGE
from tests.unit.backup.test_deciding import FULL, of_volume
from tests.unit.backup.test_retention import at
from tests.unit.compose.seen import container
from tests.unit.lint.rules.stacks import found, model
from tests.unit.lint.rules.test_operation import NGINX

PACKAGE = Path(opslib.__file__).parent


def test_01_the_volume_is_mounted_beside_the_data(tmp_path: Path) -> None:
    """`./data:/data` for MongoDB. Lint finds it, and a deploy that would begin with an empty volume is refused."""
    text = "services:\n  mongo:\n    image: mongo:7\n    volumes:\n      - ./data:/data\n"
    (one,) = found(model(tmp_path, text), "mount-beside-data")
    assert (one.place.line, "/data/db" in one.what) == (5, True)
    unnamed = "ab" * 32
    mends = {"volumes": [{"type": "volume", "source": "mongo", "target": "/data/db"}], "image": "mongo:7"}
    new = parse_project({"name": "p", "services": {"mongo": mends}, "volumes": {"mongo": None}}, root="/r")
    volumes = {unnamed: SeenVolume(unnamed, {}, "local")}
    lost = losses.lost([losses.Held("mongo", "volume", unnamed, "/data/db")], new, volumes, {})
    with pytest.raises(OpsError, match="begin with a new, empty volume p_mongo in place of"):
        look_losses.refuse(lost, (), volumes.values(), "prod")


def test_02_the_volume_of_postgres_is_archived_as_that_of_qdrant(tmp_path: Path) -> None:
    """What a container is says its process, not a name; and what an archive holds say its bytes. A drill restores each
    set and counts (tests/lab/test_drill.py)."""
    pretender = parse_seen(container("qdrant"), "pid 1\nkind postgres\ndata /var/lib/postgresql/data\nport 5432\n"
                           "socket \naddress *\nversion 15\nclient pg_dump 15\nowner 999:999\npath /bin\nlooked\n", Login())  # fmt: skip
    assert pretender.instance is not None and pretender.instance.kind == "postgres"
    refused, seen = of_volume(Inside("dir", 1, marks={"postgres"}, unreleased=True))
    assert (refused.becomes, seen.sources) == ("refused", []), "a database's files are no volume, whatever it is called"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    subprocess.run(["tar", "-czf", tmp_path / "qdrant.tar.gz", "-C", tmp_path / "data", "."], check=True)
    ran = subprocess.run(
        ["bash", "-c", LOOK, "opslib", tmp_path / "qdrant.tar.gz"], capture_output=True, text=True, check=True
    )
    assert recognise(ran.stdout, "it").kind == "volume", "and so it is loaded into no Qdrant"


def test_03_retention_deletes_the_last_good_set(tmp_path: Path) -> None:
    """`find /backups -type d -mtime +7 -exec rm`: here no rule looks at the clock, and what is broken pushes out nothing."""
    old = [at("2019-01-01T02:00"), at("2019-01-02T02:00")]
    for keep in (Keep(last=1), Keep(within=60.0), Keep(daily=1), Keep()):
        assert [one.set.id for one in verdicts(old, keep) if one.keep][-1] == old[-1].id
    new = at("2026-11-30T02:00")
    broken = SetInfo(new.id, new.folder, new.manifest, "cut")
    kept = {one.set.id for one in verdicts([*old, broken], Keep(last=1)) if one.keep}
    assert kept == {old[-1].id, broken.id}, "a set that is broken pushes out none that is whole"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd here")
def test_04_a_dump_that_fails_leaves_an_empty_file_and_exit_0(tmp_path: Path) -> None:
    """`pg_dump > file.sql` without `set -e`. On a real engine: tests/lab/test_backup.py, `…_makes_no_set_…`."""
    for name, program in (("half", "echo half; exit 1"), ("none", "true"), ("good", "echo rows")):
        words = ["bash", "-c", _PACK.replace("/stage", f"'{tmp_path}'"), "opslib", name, "1000", "sh", "-c", program]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (ran.returncode == 0, "packed" in ran.stdout) == (name == "good", name == "good"), name


def test_05_the_path_of_a_secret_is_the_password(tmp_path: Path) -> None:
    text = (
        "services:\n  redis:\n    image: redis:7\n    command: redis-server --requirepass /run/secrets/redis_password\n"
    )
    (one,) = found(model(tmp_path, text), "secret-path-as-value")
    assert one.place.line == 4


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_06_the_folder_of_a_live_database_is_archived(kind: str) -> None:
    """`tar` of it. Here it is the engine that dumps; a volume with a database's files is never copied as it is."""
    one, seen = of_volume(Inside("dir", 1, marks={kind}, unreleased=True))
    assert (one.becomes, seen.sources) == ("refused", [])
    one, seen = of_volume(FULL)
    assert [source.kind for source in seen.sources] == ["volume"]


def test_07_sleep_30_is_the_health_gate(tmp_path: Path) -> None:
    """Health is waited for, and never is what has not passed; what failed is undone (tests/lab/test_deploy.py,
    `test_health_that_never_comes_puts_the_old_release_back`)."""
    service = parse_project({"name": "p", "services": {"api": {"image": "x"}}}).services["api"]
    for status, restarts, good in (
        ("starting", 0, False),
        ("unhealthy", 0, False),
        ("healthy", 1, False),
        ("healthy", 0, True),
    ):
        one = container(state={"Health": {"Status": status, "Log": []}}, restarts=restarts)
        seen = judge(service, one, one_shot=False, restarts=0, check=None, answer=None, now=4e9, stable=30)
        assert seen.good is good


def test_08_a_service_that_is_listed_is_taken_for_one_that_runs() -> None:
    """`docker-compose ps --services | grep blue` lists what the file has."""
    blue = container("blue", state={"Status": "exited", "ExitCode": 1})
    stack = Stack("shop", (blue, container("green")))
    assert [one.service for one in stack.running] == ["green"]
    assert [one.state for one in stack.service("blue")] == ["exited"]


def test_09_localhost_in_a_container(tmp_path: Path) -> None:
    url = "DATABASE_URL=postgres://app@localhost:5432/app"
    text = f"services:\n  api:\n    image: app\n    environment:\n      - {url}\n  db:\n    image: postgres:15\n"
    (one,) = found(model(tmp_path, text), "localhost-to-service")
    assert (one.place.line, "db is a service" in one.what) == (5, True)
    assert [one.rule for one in check(Seen(EnvFile(f"{url}\n", ".env"), services=frozenset({"db"})))] == [
        "env-localhost"
    ]


def test_10_a_health_check_calls_a_program_that_is_not_there(tmp_path: Path) -> None:
    text = "services:\n  api:\n    image: app\n    healthcheck:\n      test: curl -f http://localhost:8000 || exit 1\n"
    facts = Facts(images={"app": ImageFacts(programs=frozenset({"sh", "wget"}))})
    (one,) = found(model(tmp_path, text, facts=facts), "health-program-missing")
    assert (one.place.line, one.fix) == (5, "call wget, which is there")
    health = {"Status": "unhealthy", "Log": [{"Output": "/bin/sh: 1: curl: not found"}]}
    runs = Facts(running=Stack("shop", (container("api", state={"Health": health}),)))
    (one,) = found(model(tmp_path, text, facts=runs), "health-failing")
    assert "calls curl, which is not in its image" in one.what


def test_11_volumes_are_pruned_every_week(tmp_path: Path) -> None:
    """No command of opslib does it; unused ones are named, to be removed by hand."""
    texts = [path.read_text() for pattern in ("*.py", "*.bash") for path in PACKAGE.rglob(pattern)]
    pruned = [line for text in texts for line in text.splitlines()
              if re.search(r"volume[\"', ]+prune|system[\"', ]+prune|down[\"', ]+(-v|--volumes)", line)]  # fmt: skip
    assert [line for line in pruned if "never" not in line and "`docker compose down -v`" not in line] == []
    label = {"com.docker.compose.project": "shop", "com.docker.compose.volume": "old"}
    stack = Stack("shop", (container(),), all_volumes=(SeenVolume("shop_old", label, "local"),))
    (one,) = found(model(tmp_path, "services: {api: {image: x}}", facts=Facts(running=stack)), "unused-volume")
    assert "docker volume rm shop_old" in one.fix


def test_12_psql_goes_on_after_errors() -> None:
    """`psql < dump.sql` exits with 0. On a real engine: tests/lab/test_restore.py,
    `test_what_fails_in_the_middle_is_undone`."""
    words = loader("app", "plain")
    assert {"-1", "ON_ERROR_STOP=1"} <= set(words)
    for form in ("custom", "tar", "directory"):
        assert {"-1", "--exit-on-error"} <= set(loader("app", form))


def test_13_passwords_that_everybody_knows_and_ports_that_everybody_reaches(tmp_path: Path) -> None:
    text = """services:
  api: {image: app, environment: {JWT_SECRET_KEY: '${JWT_SECRET_KEY:-supersecretkey}'}}
  db: {image: 'postgres:15', environment: {POSTGRES_PASSWORD: root}, ports: ['5432:5432']}
  mongo: {image: 'mongo:7', ports: ['27017:27017']}
  redis: {image: 'redis:7', ports: ['6379:6379']}
  grafana: {image: 'grafana/grafana:11.0.0', environment: {GF_SECURITY_ADMIN_PASSWORD: admin}}
"""
    seen = model(tmp_path, text)
    assert [one.place.line for one in found(seen, "literal-password")] == [2, 3, 6]
    assert [one.service for one in found(seen, "published-database")] == ["db", "mongo", "redis"]
    defaults = "JWT_SECRET_KEY=supersecretkey\nPOSTGRES_PASSWORD=root\nGRAFANA_PASSWORD=admin\n"
    assert [one.rule for one in check(Seen(EnvFile(defaults, ".env")))] == ["env-default"] * 3


def test_14_a_password_is_an_argument(tmp_path: Path) -> None:
    """`pg_dump postgres://user:pass@…`. On real machines: tests/lab/test_faults.py,
    `test_no_password_in_any_argv_log_journal_or_error`."""
    cmd = dump_command(STAGE, PostgresDatabase(PG, "app", 10, ""), "1")
    assert isinstance(PG.env["PGPASSWORD"], Secret)
    assert not any(PG.env["PGPASSWORD"].reveal() in word for stage in cmd.stages for word in stage.argv)


def test_15_logs_and_dumps_fill_the_disk(tmp_path: Path) -> None:
    """Logs without rotation are found; retention cannot be switched off by saying nothing."""
    seen = model(tmp_path, "services:\n  api:\n    image: app\n")
    (one,) = found(seen, "no-log-rotation")
    assert (one.place.line, one.edit is not None) == (2, True)
    assert Backup().keep.rules == Keep().rules == {"last": 7}


def test_16_secrets_are_in_the_history_of_git(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, env=env, check=True, capture_output=True)

    here = Local(Host(name="local", path=str(tmp_path)))
    (tmp_path / ".env").write_text("A=1\n")
    git("init", "-q", ".")
    told = []
    for words in (
        (),
        ("add", ".env"),
        ("commit", "-qm", "x"),
        ("rm", "-q", "--cached", ".env"),
        ("commit", "-qm", "y"),
    ):
        if words:
            git(*words)
        known = in_git(here, tmp_path, [".env"]).get(".env", "")
        told.append([one.rule for one in outside(OnDisk(".env", b"A=1\n", 0o600), known)])
    assert told == [[], ["env-tracked"], ["env-tracked"], ["env-tracked"], ["env-tracked"]]


def test_17_an_upstream_of_one_server_three_times(tmp_path: Path) -> None:
    """Lint finds it; what a deploy writes for the proxy names each instance there is, once."""
    facts = Facts(files={"nginx/nginx.conf": NGINX})
    (one,) = found(model(tmp_path, "services: {web: {image: 'nginx:1'}}", facts=facts), "identical-upstreams")
    assert (one.place.file, one.place.line) == ("nginx/nginx.conf", 4)
    block = nginx.block("api", [Server("172.18.0.5:80"), Server("172.18.0.6:80")])
    servers = re.findall(r"server (\S+);", block)
    assert servers == sorted(set(servers)) == ["172.18.0.5:80", "172.18.0.6:80"]


def test_18_certbot_edits_the_site_and_nobody_sees_that_the_reload_failed(tmp_path: Path) -> None:
    """The first is found; a reload of opslib's is over when new workers serve, and fails where they do not
    (tests/lab/test_proxies.py)."""
    text = "services:\n  certbot:\n    image: certbot/certbot\n    command: --nginx -d example.com\n"
    (one,) = found(model(tmp_path, text), "certbot-edits-nginx")
    assert one.place.line == 4
    worker = "exec -a 'nginx: worker process' sleep 60"
    script = (
        f'bash -c "{worker}" & sh -c "$1" sh 0 $$ sh -c \'echo broken >&2; exit 1\' x; code=$?; kill $!; exit $code'
    )
    ran = Local(Host(name="local", path=str(tmp_path))).run(bash(script, nginx.RELOAD), check=False)
    assert (ran.ended.ok, "broken" in ran.ended.stderr) == (False, True)
