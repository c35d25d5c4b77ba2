"""The examples that are folders to copy: each copied, deployed, used, broken and restored. With `--full` on this machine
and over SSH at once, else on one of the two, and one of them not."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opslib.deploy.render import to_text
from opslib.deploy.swarm.render import swarm_form, versioned
from tests.conftest import ROOT, missing

pytestmark = pytest.mark.lab
INV = Path(sys.executable).parent / "inv"
SERVER, CONTAINER = "examples", "opslib-lab-examples"  # a server of these tests' own
ONE_OF = {"vocabulo": "server", "research-dashboard": "local", "rag-engine-mini": "local", "productdemo": "server"}
COUNTS = {
    "chercheurs": 181, "publications": 4527, "institutions": 1264, "collaborations": 131, "stats_pays": 558, "users": 39,
}  # fmt: skip
# A person at the dashboard: the name and the password, the button, and what the page then shows.
LOG_IN = """
import json, sys
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("/app/dashboard.py", default_timeout=60).run()
page.text_input[0].set_value("admin")
page.text_input[1].set_value(sys.stdin.readline().rstrip("\\n"))
page.button[0].click().run()
assert not page.exception and not page.error, (page.exception, page.error)
print(json.dumps({one.label: int(one.value.replace(",", "")) for one in page.metric}), len(page.dataframe))
"""

DEMO = (
    ROOT / "scripts/demokit"
)  # its fingerprint reads every row, entry, point and file; its destroy spares none of them
RAG_DATA = ("table", "redis", "points", "sqlite", "uploads")
SERVICES = {
    "embedding-service": {"redis"}, "doc-workers": {"postgres", "redis"}, "image-processor": {"postgres", "redis"},
    "chat2sql": {"postgres"},
}  # fmt: skip

# Asks through nginx, over connections that are kept, until it is told to end; says how often it got which answer.
ASK = """
import collections, http.client, json, sys, threading
found, ended = collections.Counter(), threading.Event()
def ask():
    line = http.client.HTTPConnection("nginx", timeout=20)
    while not ended.is_set():
        try:
            line.request("POST", "/embeddings", '{"texts": ["a lamp"]}', {"Content-Type": "application/json"})
            answer = line.getresponse()
            answer.read()
            found[answer.status] += 1
        except Exception as error:
            found[repr(error)] += 1
            line.close()
askers = [threading.Thread(target=ask) for _ in range(4)]
for asker in askers:
    asker.start()
print("asking", flush=True)
sys.stdin.readline()
ended.set()
for asker in askers:
    asker.join()
print(json.dumps(found))
"""
ROLL = """
import sys
with Load(80, "/embedding-service/version", host="nginx") as load, Load(80, "/documents?limit=1", host="nginx") as other:
    print("asking", flush=True)
    sys.stdin.readline()
print(json.dumps([load.found["200"], other.found["200"], {**load.failed, **other.failed}]))
"""
VECTORS = """
import json
from app.cache import client
print(json.dumps({key.decode(): client.get(key).hex() for key in client.scan_iter("vector:*")}, sort_keys=True))
"""
RUIN = "DROP TABLE chunks; DELETE FROM documents WHERE id > 3; UPDATE images SET thumbnail = NULL"

# What somebody with the api's own account can ruin.
DESTROY = """
from app.store import db
for name in db.list_collection_names():
    if name != "users":
        db.drop_collection(name)
db.users.delete_many({"username": {"$ne": "admin"}})
db.intruders.insert_one({})
"""


def run(*words: str | Path, data: str | None = None, cwd: Path | None = None) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=own_environment(), input=data, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def own_environment() -> dict[str, str]:
    """Without what other tests of this process have set: it would go before the example's own .env."""
    return {name: value for name, value in os.environ.items() if name != "OPSLIB_SSH_CONFIG"}


@dataclass
class Place:
    """One of the two machines: how its engine is called, how its ports are reached, where its project's secrets are."""

    host: str
    inside: tuple[str, ...]
    env: Path

    def docker(self, *words: str, data: str | None = None) -> str:
        return run(*self.inside, "docker", *words, data=data)

    def get(self, port: str, path: str, form: dict[str, str] | None = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON of a request to the port that this variable of the env file names."""
        url = f"http://127.0.0.1:{self.setting(port)}{path}"
        body, headers = None, dict(more.get("headers", {}))
        if form is not None:
            body = urllib.parse.urlencode(form)
        elif "json" in more:
            body, headers["Content-Type"] = json.dumps(more["json"]), "application/json"
        if self.inside:
            words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
            words += ["--data-binary", "@-"] if body is not None else []
            said = run(*self.inside, "curl", "-s", "-m", "20", "-w", "\n%{http_code}", *words, url, data=body)
            text, _, status = said.rpartition("\n")
            return int(status), _parsed(text)
        request = urllib.request.Request(url, body.encode() if body is not None else None, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, _parsed(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read().decode())

    def setting(self, name: str) -> str:
        found = re.search(rf"(?m)^{name}=(.*)$", self.env.read_text())
        assert found, name
        return found[1]


def _parsed(text: str) -> Any:
    return json.loads(text) if text[:1] in ("{", "[") else text


class Copy:
    """A copy of an example as the README says to make it, with this machine and the lab's server as its hosts."""

    def __init__(self, root: Path, example: str, server: dict[str, Any], images: str) -> None:
        self.name = f"ex-{secrets.token_hex(4)}"
        self.root = root / self.name
        shutil.copytree(ROOT / "examples" / example, self.root, ignore=shutil.ignore_patterns("__pycache__", ".env"))
        # image names of its own: another copy of the example may run on this machine. Health is asked every second,
        # because most of the time of a deploy or a restore is waiting for it.
        for path in (*self.root.glob("docker-compose*.yml"), *self.root.glob("*/Dockerfile")):
            text = path.read_text().replace(f"image: {example}-", f"image: {self.name}-")
            path.write_text(text.replace("interval: 5s", "interval: 1s").replace("--interval=5s", "--interval=1s"))
        host = (self.root / "hosts/prod.yml").read_text()
        for key, value in (
            ("address", SERVER),
            ("path", self.name),
            ("project", self.name),
            ("env_file", ".env.server"),
        ):
            host = re.sub(rf"(?m)^{key}: \S+", f"{key}: {value}", host)
        (self.root / "hosts/server.yml").write_text(host)
        (self.root / "ssh_config").write_text(
            f"Host {SERVER}\n HostName {server['address']}\n Port {server['port']}\n User {server['user']}\n"
            f" IdentityFile {server['key']}\n IdentitiesOnly yes\n UserKnownHostsFile {server['known_hosts']}\n"
        )
        self.places = [
            Place("local", (), self._env(".env", images, own_ports=True)),
            Place("server", ("docker", "exec", "-i", "-u", "deploy", CONTAINER), self._env(".env.server", images)),
        ]
        with self.places[0].env.open("a") as env:
            env.write(f"COMPOSE_PROJECT_NAME={self.name}\nOPSLIB_PROJECT={self.name}\nOPSLIB_SSH_CONFIG=ssh_config\n")
            env.write(f"OPSLIB_TOOLS_BASE={images}debian:bookworm-slim\n")

    def _env(self, name: str, images: str, *, own_ports: bool = False) -> Path:
        text = (self.root / ".env.example").read_text()
        text = re.sub(r"(?m)=$", lambda found: found[0] + secrets.token_urlsafe(32), text)
        if own_ports:
            text = re.sub(r"(?m)^(\w+_PORT)=\d+$", lambda found: f"{found[1]}={_free_port()}", text)
        path = self.root / name
        path.touch(mode=0o600)
        path.write_text(f"{text}IMAGES={images}\n")
        return path

    def inv(self, *words: str) -> None:
        run(INV, *words, cwd=self.root)

    def on_each(self, *words: str) -> None:
        """The same for every place, at the same time: for tasks that take one host."""
        command = [str(INV), *words, "--host"]
        started = [
            subprocess.Popen(
                [*command, place.host], cwd=self.root, env=own_environment(), text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for place in self.places
        ]  # fmt: skip
        ended = [(one, one.communicate(timeout=300)[0]) for one in started]
        for one, said in ended:
            assert one.returncode == 0, said

    def container(self, service: str) -> str:
        return f"{self.name}-{service}-1"

    def down(self) -> None:
        """Remove what it made; images and files on the server go with the server."""
        mine = f"label=com.docker.compose.project={self.name}"
        for place in self.places:
            for kind, listing, remove in (
                ("container", ["ls", "-aq"], ["rm", "-f", "-v"]), ("volume", ["ls", "-q"], ["rm"]),
                ("network", ["ls", "-q"], ["rm"]),
            ):  # fmt: skip
                if found := place.docker(kind, *listing, "--filter", mine).split():
                    place.docker(kind, *remove, *found)
        releases = self.root / ".opslib/releases"
        tags = [f":opslib-{one.name}" for one in releases.iterdir()] if releases.exists() else []
        listed = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        if found := [one for one in listed if one.startswith(f"{self.name}-") or one.endswith(tuple(tags))]:
            run("docker", "image", "rm", *found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(lab: dict[str, Any]) -> Iterator[dict[str, Any]]:
    words = [str(ROOT / "scripts/lab"), "server", SERVER]
    made = subprocess.run(
        [*words, "--images", "postgres,mongo,redis,qdrant,nginx", "--json"], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        missing(f"no server of the tests' own: {made.stderr}")
    yield next(one for one in json.loads(made.stdout)["servers"] if one["name"] == SERVER)
    run(*words, "--down")


@pytest.fixture
def copy(request: pytest.FixtureRequest, lab: dict[str, Any], server: dict[str, Any], tmp_path: Path) -> Iterator[Copy]:
    made = Copy(tmp_path, request.param, server, lab["images_prefix"])
    if not request.config.getoption("--full"):
        made.places = [place for place in made.places if place.host == ONE_OF[request.param]]
    yield made
    made.down()


def dump_of(copy: Copy, place: Place, user: str = "vocabulo", database: str = "lsf_app") -> list[str]:
    """All that an example's database holds, rows and definitions and the next numbers of the sequences."""
    words = ["pg_dump", "-U", user, "-d", database, "--no-owner", "--no-privileges"]
    return lines(place.docker("exec", copy.container("postgres"), *words))


def lines(dump: str) -> list[str]:
    """A dump's lines without those that differ each time: its comments and the key of \\restrict."""
    return [line for line in dump.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


@pytest.mark.parametrize("copy", ["vocabulo"], indirect=True)
def test_vocabulo_gets_its_data_from_a_dump_and_back_from_a_backup(copy: Copy) -> None:
    hosts = ",".join(place.host for place in copy.places)
    copy.inv("deploy", "--host", hosts)
    for place in copy.places:
        assert place.get("QUIZ_PORT", "/health") == place.get("JUNIOR_PORT", "/health") == (200, {"postgres": "up"})
        status, said = place.get("QUIZ_PORT", "/question")  # there is nothing to ask for yet
        assert (status, "inv restore --file lsf_app_dump.sql" in said["detail"]) == (503, True)

    copy.on_each("restore", "--file", "lsf_app_dump.sql", "--yes")
    file = lines((ROOT / "examples/vocabulo/lsf_app_dump.sql").read_text())
    before = {}
    for place in copy.places:
        assert dump_of(copy, place) == file
        status, asked = place.get("QUIZ_PORT", f"/question?category={urllib.parse.quote('émotions')}")
        assert (status, len(asked["choices"])) == (200, 4)
        answer = {"player": "Zoé-Ève", "word": asked["choices"][0]["id"], "chosen": asked["choices"][0]["id"]}
        # numbers go on where the sequences of the dump ended
        assert place.get("QUIZ_PORT", "/answers", json=answer) == (201, {"id": 601, "right": True})
        status, text = place.get(
            "JUNIOR_PORT", "/texts", json={"title": "L'été", "body": "Deux chats, un âne, l'Été !"}
        )
        assert (status, [one["word"] for one in text["words"]]) == (201, ["chat", "âne", "été"])
        before[place.host] = dump_of(copy, place)

    copy.inv("backup.all", "--host", hosts)
    for place in copy.places:
        destroy = "DROP TABLE answers, texts CASCADE; UPDATE words SET word = 'x' || id"
        place.docker("exec", copy.container("postgres"), "psql", "-qU", "vocabulo", "-d", "lsf_app", "-c", destroy)
        assert place.get("QUIZ_PORT", "/question")[0] == 503
        assert dump_of(copy, place) != before[place.host]
    copy.on_each("restore", "--file", "latest", "--yes")
    for place in copy.places:
        assert dump_of(copy, place) == before[place.host]
        counts = {"categories": 9, "words": 193, "players": 17, "answers": 601, "texts": 6}
        assert place.get("QUIZ_PORT", "/stats") == (200, counts)


@pytest.mark.parametrize("copy", [pytest.param("research-dashboard", marks=pytest.mark.full)], indirect=True)
def test_research_dashboard_shows_its_six_collections(copy: Copy) -> None:
    hosts = ",".join(place.host for place in copy.places)
    copy.inv("deploy", "--host", hosts)
    copy.inv("seed")
    for place in copy.places:
        if place.host != "local":
            place.docker("exec", copy.container("api"), "python", "-m", "app.seed")
        assert place.get("API_PORT", "/health") == (200, {"mongo": "up"})
        assert place.get("STREAMLIT_PORT", "/_stcore/health") == (200, "ok")
        assert place.get("API_PORT", "/counts")[0] == 401
        assert counts(place) == COUNTS
        said = place.docker(
            "exec", "-i", copy.container("dashboard"), "python", "-c", LOG_IN, data=place.setting("ADMIN_PASSWORD")
        )
        shown, tables = said.rsplit(" ", 1)
        assert (json.loads(shown), int(tables)) == (COUNTS, 2)
    copy.inv("backup.all", "--host", hosts)
    for place in copy.places:
        place.docker("exec", copy.container("api"), "python", "-c", DESTROY)
        assert counts(place) == {**dict.fromkeys(COUNTS, 0), "users": 1}
    copy.on_each("restore", "--file", "latest", "--yes")
    for place in copy.places:
        wait_for_health(place)
        assert counts(place) == COUNTS

    here = copy.places[0]
    pause(here, copy.container("mongo"))
    assert here.get("API_PORT", "/health") == (503, {"mongo": "down"})
    here.docker("unpause", copy.container("mongo"))
    wait_for_health(here)


@pytest.mark.parametrize("copy", ["rag-engine-mini"], indirect=True)
def test_rag_engine_mini_finds_by_vectors_and_gets_every_point_back(copy: Copy) -> None:
    hosts = ",".join(place.host for place in copy.places)
    copy.inv("deploy", "--host", hosts)
    before = {}
    for place in copy.places:
        place.docker("exec", copy.container("api"), "python", "-m", "app.seed", "40")
        up = dict.fromkeys(("postgres", "redis", "vectors"), "up")
        assert place.get("HTTP_PORT", "/health") == (200, up)
        misspelt = urllib.parse.quote("duplicats rankd twice")
        assert place.get("HTTP_PORT", f"/search?q={misspelt}") == (200, [])
        status, near = place.get("HTTP_PORT", f"/similar?q={misspelt}&limit=3")
        assert (status, len(near), "duplicates" in near[0]["text"]) == (200, 3, True)
        status, stats = place.get("HTTP_PORT", "/stats")
        assert (status, stats["documents"], stats["vectors"]) == (200, 40, stats["chunks"])
        before[place.host] = fingerprint(copy, place)
        assert before[place.host]["points chunks"]["lines"] == stats["chunks"]

    copy.inv("backup.all", "--host", hosts)
    for place in copy.places:
        place.docker("exec", "-i", copy.container("api"), "python", "-", data=(DEMO / "destroy.py").read_text())
        after = fingerprint(copy, place)
        lost = [name for name, part in before[place.host].items() if after.get(name) != part]
        assert all(any(name.startswith(kind) for name in lost) for kind in RAG_DATA), lost
    copy.on_each("restore", "--file", "latest", "--yes")
    for place in copy.places:
        wait_for_health(place, "HTTP_PORT")
        assert fingerprint(copy, place) == before[place.host]

    here = copy.places[0]
    pause(here, copy.container("vectors"))
    assert here.get("HTTP_PORT", "/health") == (503, {**up, "vectors": "down"})
    here.docker("unpause", copy.container("vectors"))
    wait_for_health(here, "HTTP_PORT")


@pytest.mark.parametrize("copy", ["productdemo"], indirect=True)
def test_productdemo_drops_no_request_and_gets_everything_back(copy: Copy, request: pytest.FixtureRequest) -> None:
    hosts = ",".join(place.host for place in copy.places)
    copy.inv("deploy", "--host", hosts)
    before = {}
    for place in copy.places:
        seeded(copy, place, 20, new=25)
        for service, databases in SERVICES.items():
            assert place.get("HTTP_PORT", f"/{service}/health") == (200, dict.fromkeys(databases, "up"))
        asked = [place.get("HTTP_PORT", "/embedding-service/version")[1]["replica"] for _ in range(20)]
        assert len(set(asked)) == len(containers(copy, place, "embedding-service")) > 1
        status, near = place.get("HTTP_PORT", "/documents/search?q=headphnes")  # a word that is in none of them
        assert (status, "headphones" in near[0]["text"]) == (200, True)
        found = place.get("HTTP_PORT", "/questions?q=how+many+documents+are+done")[1]
        assert found["rows"] == [{"documents": 20}]
        answers = asked_while(copy, place, lambda place=place: restart_one(copy, place))
        assert (list(answers), answers["200"] > 100) == (["200"], True), answers
        before[place.host] = productdemo_data(copy, place)

    copy.inv("backup.all", "--host", hosts)
    for place in copy.places:
        psql = ["psql", "-qU", "productdemo", "-d", "productdemo", "-v", "ON_ERROR_STOP=1", "-c", RUIN]
        place.docker("exec", copy.container("postgres"), *psql)
        flush = 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli flushall'
        place.docker("exec", copy.container("redis"), "sh", "-c", flush)
        dumped, vectors = productdemo_data(copy, place)
        assert (dumped != before[place.host][0], vectors) == (True, {})
    copy.on_each("restore", "--file", "latest", "--yes")
    for place in copy.places:
        assert productdemo_data(copy, place) == before[place.host]
        seeded(copy, place, 21, new=1)  # the workers have found their queues again
    with (copy.root / "services/app/embedding_service.py").open("a") as source:
        source.write("# another version\n")
    for place in copy.places:
        old = {name: containers(copy, place, name) for name in (*SERVICES, "nginx")}
        assert not_answered_while(copy, place, lambda place=place: copy.inv("deploy", "--host", place.host)) == {}
        new = {name: containers(copy, place, name) for name in old}
        assert not set(new["embedding-service"]) & set(old["embedding-service"])
        assert {name: len(ids) for name, ids in new.items()} == {name: len(ids) for name, ids in old.items()}
        assert new["nginx"] == old["nginx"]
    if request.config.getoption("--full"):
        copy.inv("test")


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir()))
def test_compose_accepts_the_files_of_each_example(example: str, tmp_path: Path) -> None:
    folder = ROOT / "examples" / example
    env = tmp_path / "env"
    env.write_text(re.sub(r"(?m)=$", "=secret", (folder / ".env.example").read_text()))
    base, stack = folder / "docker-compose.yml", folder / "docker-stack.yml"
    compose = ["docker", "compose", "--project-directory", folder, "--env-file", env, "-f"]
    run(*compose, base, "config", "--quiet")
    for over in folder.glob("docker-compose.*.yml"):
        run(*compose, base, "-f", over, "config", "--quiet")
    if stack.exists():
        config = run(*compose, stack, "config", "--format", "json").replace("$$", "$")
        taken = tmp_path / "swarm.yml"
        taken.write_bytes(to_text(swarm_form(versioned(json.loads(config), defaultdict(bytes)), "/srv")))
        run("docker", "stack", "config", "-c", taken)


def seeded(copy: Copy, place: Place, documents: int, new: int) -> None:
    """Have so many documents, and wait until the workers have done them; so many things are new."""
    said = place.docker("exec", copy.container("doc-workers"), "python", "-m", "app.seed", str(documents))
    assert said == f"{new} documents and images added\n"


def containers(copy: Copy, place: Place, service: str) -> list[str]:
    labels = ("project", copy.name), ("service", service)
    words = [word for name, value in labels for word in ("--filter", f"label=com.docker.compose.{name}={value}")]
    return place.docker("ps", "-q", *words).split()


def restart_one(copy: Copy, place: Place) -> None:
    place.docker("restart", containers(copy, place, "embedding-service")[0])


def asked_while(copy: Copy, place: Place, does: Callable[[], None]) -> dict[str, int]:
    """How often nginx gave which answer meanwhile, and what else became of requests."""
    words = [*place.inside, "docker", "exec", "-i", copy.container("doc-workers"), "python", "-c", ASK]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout and asking.stdout.readline() == "asking\n"
        does()
        said, _ = asking.communicate("end\n", timeout=60)
    found: dict[str, int] = json.loads(said)
    return found


def not_answered_while(copy: Copy, place: Place, does: Callable[[], None]) -> dict[str, int]:
    """What became of requests through nginx that got no 200 meanwhile; whoever asks is no part of the stack."""
    image = place.docker("inspect", "--format", "{{.Image}}", containers(copy, place, "doc-workers")[0]).strip()
    code = f"{(ROOT / 'tests/lab/load.py').read_text()}\nimport json\n{ROLL}"
    words = [
        *place.inside,
        "docker",
        "run",
        "--rm",
        "-i",
        "--network",
        f"{copy.name}_default",
        image,
        "python",
        "-c",
        code,
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout and asking.stdout.readline() == "asking\n"
        does()
        said, _ = asking.communicate("end\n", timeout=60)
    one, other, failed = json.loads(said)
    assert min(one, other) > 100
    return dict(failed)


def productdemo_data(copy: Copy, place: Place) -> tuple[list[str], dict[str, str]]:
    """What PostgreSQL holds, and the vectors that Redis remembers."""
    vectors = place.docker("exec", copy.container("doc-workers"), "python", "-c", VECTORS)
    return dump_of(copy, place, "productdemo", "productdemo"), json.loads(vectors)


def fingerprint(copy: Copy, place: Place) -> dict[str, dict[str, Any]]:
    script = (DEMO / "fingerprint.py").read_text()
    found: dict[str, dict[str, Any]] = json.loads(
        place.docker("exec", "-i", copy.container("api"), "python", "-", data=script)
    )
    return found


def counts(place: Place) -> dict[str, int]:
    """How many documents the api says there are, to someone who has logged in."""
    status, token = place.get("API_PORT", "/login", {"username": "admin", "password": place.setting("ADMIN_PASSWORD")})
    assert status == 200, token
    status, found = place.get("API_PORT", "/counts", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert status == 200, found
    return dict(found)


def pause(place: Place, container: str) -> None:
    """An engine under load cannot freeze a container in which a health check is just being started."""
    deadline = time.monotonic() + 30
    while True:
        try:
            place.docker("pause", container)
            return
        except AssertionError as error:
            if "unable to freeze" not in str(error) or time.monotonic() > deadline:
                raise


def wait_for_health(place: Place, port: str = "API_PORT") -> None:
    deadline = time.monotonic() + 30
    while place.get(port, "/health")[0] != 200:
        assert time.monotonic() < deadline, "the api does not find its database again"
