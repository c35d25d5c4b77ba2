"""Scans of images that were built for it, by a database that knows what is in them; with the stand-in for Trivy, and with
`--full` with the real one (`scripts/lab scan`)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.lab import trivy_db
from tests.lab.site import INV, ssh_config

pytestmark = pytest.mark.lab

STANDIN = Path(__file__).with_name("trivy_standin.py")
DOCKERFILE = """ARG IMAGES
FROM ${IMAGES}debian:bookworm-slim
COPY jinja2 /usr/lib/python3/dist-packages/Jinja2-2.0.dist-info
COPY key.txt /app/id_rsa
CMD ["sleep", "100000"]
"""
# Of the form that Trivy looks for, and nobody's: it is put together here so that no scanner finds it in this file.
KEY = "-----BEGIN RSA PRIVATE " + "KEY-----\n" + "MIIEogIBAAKCAQEA" * 20 + "\n-----END RSA PRIVATE " + "KEY-----\n"
HOLES = [
    trivy_db.hole("CVE-2026-0001", "bash", "99", "CRITICAL"),
    trivy_db.hole("CVE-2026-0002", "zlib", "", "CRITICAL"),
    trivy_db.hole("CVE-2026-0003", "jinja2", "3.1.6", "HIGH", of=trivy_db.PYTHON),
    trivy_db.hole("CVE-2026-0004", "coreutils", "99", "LOW"),
]
IGNORED = """vulnerabilities:
  - {id: CVE-2026-0001, statement: nobody gets a shell, expired_at: 2099-01-01}
  - {id: CVE-2026-0003, statement: no templates of others, expired_at: 2099-01-01}
  - {id: CVE-2026-9999, statement: long gone, expired_at: 2099-01-01}
secrets:
  - {id: private-key, statement: a key of the tests, expired_at: 2099-01-01}
"""


class Shop:
    """A project whose image has holes, with a host `there`."""

    def __init__(self, root: Path, lab: dict[str, Any], *, real: bool) -> None:
        self.root, self.name, self.real = root, f"scan{uuid.uuid4().hex[:8]}", real
        self.image = f"{self.name}-web:1"
        self.writer = lab["scan"]["trivydb"] if real else None
        self.programs = Path(lab["scan"]["trivy"]).parent if real else root / "bin"
        if not real:
            self.programs.mkdir()
            (self.programs / "trivy").symlink_to(STANDIN)
        self.images = lab["images_prefix"]
        self.write("tasks.py", "import opslib\n\nns = opslib.namespace()\n")
        self.write(
            "compose.yml",
            f"""services:
  web: {{image: "{self.image}", build: {{context: web, args: {{IMAGES: "{self.images}"}}}}, init: true, stop_grace_period: 1s}}
  twin: {{image: "{self.image}", command: [sleep, "100000"], init: true, stop_grace_period: 1s}}
""",
        )
        self.write("web/Dockerfile", DOCKERFILE)
        self.write("web/key.txt", KEY)
        self.write("web/jinja2/METADATA", "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.0\n")
        self.write("web/jinja2/RECORD", "")
        self.cache = trivy_db.write(self.writer, root / "cache", HOLES)
        self.host()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def host(self, scan: str = "", where: str = "", cache: Path | None = None) -> None:
        """Write the host file."""
        self.write(
            "hosts/there.yml",
            f"""{where}
project: {self.name}
deploy: {{timeout: 60s, stable: 1s}}
scan: {{cache: "{cache or self.cache}", offline: true{", " + scan if scan else ""}}}
""",
        )

    def inv(self, *words: str, code: int = 0) -> dict[str, Any]:
        """`inv WORDS --host there --json`; returns the record of the host."""
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            [str(INV), *words, "--host", "there", "--json"], cwd=self.root, env={**os.environ, "PATH": path},
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        (record,) = json.loads(done.stdout)["hosts"]
        found: dict[str, Any] = record
        return found

    def docker(self, *words: str) -> str:
        return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=["stand-in", pytest.param("trivy", marks=pytest.mark.full)])
def shop(
    request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    real = request.param == "trivy"
    if real and None in lab["scan"].values():
        missing("the lab has no Trivy: scripts/lab scan")
    made = Shop(tmp_path_factory.mktemp("shop"), lab, real=real)
    made.docker("build", "-q", "-t", made.image, "--build-arg", f"IMAGES={made.images}", str(made.root / "web"))
    yield made
    containers = made.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={made.name}").split()
    if containers:
        made.docker("rm", "-f", *containers)
    tags = made.docker("image", "ls", "--filter", f"reference={made.name}*", "--format", "{{.Repository}}:{{.Tag}}")
    made.docker("image", "rm", "-f", *tags.split())
    for network in made.docker(
        "network", "ls", "-q", "--filter", f"label=com.docker.compose.project={made.name}"
    ).split():
        made.docker("network", "rm", network)


TRIVY = pytest.mark.parametrize("shop", [pytest.param("trivy", marks=pytest.mark.full)], indirect=True)
"""What a stand-in would prove nothing about."""


def verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {one["id"]: one["verdict"] for one in record["result"]["vulnerabilities"]}


def test_what_is_in_an_image_is_found_judged_and_kept(shop: Shop) -> None:
    shop.host()
    found = shop.inv("scan", code=3)
    result = found["result"]
    assert verdicts(found) == {
        "CVE-2026-0001": "fails", "CVE-2026-0002": "no fix", "CVE-2026-0003": "fails", "CVE-2026-0004": "minor",
    }  # fmt: skip
    (image,) = result["images"]
    assert (image["image"], sorted(image["services"])) == (shop.image, ["twin", "web"])
    assert image["os"].startswith("debian 12")
    (secret,) = result["findings"]
    assert (secret["rule"], secret["file"]) == ("secret-private-key", "/app/id_rsa")
    assert "MIIEogIBAAKCAQEA" not in json.dumps(found)
    assert result["scanner"]["database"]
    place = shop.root / result["folder"]
    assert {path.name for path in place.iterdir()} == {f"{shop.name}-web_1.json", "scan.json", "scan.sarif"}
    page = shop.inv("scan.report")["result"]["report"]
    assert "CVE-2026-0001" in Path(page).read_text()

    shop.write(".trivyignore.yaml", IGNORED)
    lived_with = shop.inv("scan")
    assert verdicts(lived_with)["CVE-2026-0001"] == "ignored"
    assert [one["rule"] for one in lived_with["result"]["findings"]] == ["ignore-obsolete"]
    (shop.root / ".trivyignore.yaml").unlink()
    young = {one["id"]: one for one in found["result"]["vulnerabilities"]}
    shop.host("fail_on: {critical: 7d}, scanners: [vuln]")
    later = shop.inv("scan")
    assert verdicts(later)["CVE-2026-0001"] == "due"
    assert {one["id"]: one["first"] for one in later["result"]["vulnerabilities"]} == {
        id: one["first"] for id, one in young.items()
    }


@TRIVY
def test_what_was_not_scanned_is_never_clean(shop: Shop, tmp_path: Path) -> None:
    shop.host()
    absent = shop.inv("scan", "--image", f"{shop.name}-absent:1", code=1)
    assert "could not be scanned" in absent["error"]["what"]
    assert absent["result"]["failed"] == 1
    empty, damaged = tmp_path / "empty", tmp_path / "damaged"
    empty.mkdir()
    shop.host(cache=empty)
    assert "could not be scanned" in shop.inv("scan", code=1)["error"]["what"]
    trivy_db.write(shop.writer, damaged, HOLES)
    (damaged / "db/trivy.db").write_bytes(b"x" * 5000)
    shop.host(cache=damaged)
    assert "could not be scanned" in shop.inv("scan", code=1)["error"]["what"]
    old = trivy_db.write(shop.writer, tmp_path / "old", [], days=800)
    shop.host(cache=old)
    refused = shop.inv("scan", code=1)
    assert "800 days old" in refused["error"]["what"]
    assert refused["result"]["failing"] == 1, "the secret"
    shop.host("timeout: 1ms")
    assert "could not be scanned" in shop.inv("scan", code=1)["error"]["what"]


def test_a_gate_and_what_stays_with_the_release(shop: Shop) -> None:
    shop.host("gate: true, scanners: [vuln]")
    refused = shop.inv("deploy", code=3)
    assert refused["error"]["what"] == "the images fail the scan: CVE-2026-0001, CVE-2026-0003"
    assert shop.docker("ps", "-q", "--filter", f"label=com.docker.compose.project={shop.name}") == ""
    deployed = shop.inv("deploy", "--accept", "CVE-2026-0001,CVE-2026-0003")
    release = deployed["result"]["release"]
    scanned = shop.inv("scan", code=3)["result"]
    assert scanned["release"] == release
    (folder,) = shop.root.glob(f".opslib/releases/{release}")
    bill = json.loads((folder / "sbom/web.cdx.json").read_text())
    assert "Jinja2" in {one["name"] for one in bill["components"]}
    assert json.loads((folder / "sbom/twin.spdx.json").read_text())["spdxVersion"].startswith("SPDX-2")

    same = shop.inv("scan.diff")["result"]
    assert (same["new"], same["fixed"], len(same["still"])) == ([], [], 4)
    more = [*HOLES[1:], trivy_db.hole("CVE-2026-0005", "bash", "99", "CRITICAL")]
    newer = trivy_db.write(shop.writer, shop.root / "newer", more)
    shop.host("scanners: [vuln]", cache=newer)
    shop.inv("scan", code=3)
    changed = shop.inv("scan.diff", code=3)
    assert [one["id"] for one in changed["result"]["new"]] == ["CVE-2026-0005"]
    assert [one["id"] for one in changed["result"]["fixed"]] == ["CVE-2026-0001"]


def test_a_database_is_carried_to_where_there_is_none(shop: Shop, tmp_path: Path) -> None:
    shop.host()
    saved = shop.inv("scan.db", "--save", str(tmp_path / "db.tgz"))["result"]
    assert saved["bytes"] == (tmp_path / "db.tgz").stat().st_size
    cold = tmp_path / "a 'cold' $cache"
    shop.host(cache=cold)
    assert shop.inv("scan.db")["result"]["database"] is None
    assert shop.inv("scan.db", "--load", str(tmp_path / "db.tgz"))["result"]["database"] == saved["database"]
    assert verdicts(shop.inv("scan", code=3))["CVE-2026-0001"] == "fails"
    (tmp_path / "junk.tgz").write_bytes((tmp_path / "db.tgz").read_bytes()[:-500])
    refused = shop.inv("scan.db", "--load", str(tmp_path / "junk.tgz"), code=1)
    assert refused["error"]["left"] == "the database that was there"
    assert shop.inv("scan.db")["result"]["database"] == saved["database"]
    assert [path.name for path in cold.iterdir() if path.name.startswith("load.")] == []


def test_the_projects_own_files(shop: Shop) -> None:
    shop.host()
    found = shop.inv("scan.config", code=3)["result"]["findings"]
    assert {one["rule"] for one in found} >= {"secret-private-key"}
    assert "web/Dockerfile" in {one["file"] for one in found}


def test_an_image_that_only_the_server_has(shop: Shop, lab: dict[str, Any], tmp_path: Path) -> None:
    server = next((one for one in lab["servers"] if one["name"] == "one"), None)
    if server is None:
        missing("the lab has no server `one`: run scripts/lab up")
    assert server is not None
    shop.write(".env", f"OPSLIB_SSH_CONFIG={tmp_path / 'ssh_config'}\n")
    (tmp_path / "ssh_config").write_text(ssh_config(server))
    shop.host(where=f"address: {server['name']}\npath: {shop.name}", scan="scanners: [vuln]")
    try:
        # what this machine's engine has, too, does not travel
        same = shop.inv("scan", "--image", f"{shop.images}debian:bookworm-slim", code=3)
        assert verdicts(same)["CVE-2026-0001"] == "fails"
        ssh = ["ssh", "-F", str(tmp_path / "ssh_config"), server["name"]]
        recipe = f"FROM {shop.images}debian:bookworm-slim\nLABEL only=there\n"
        subprocess.run(
            [*ssh, f"docker build -q -t {shop.name}-there:1 -"],
            input=recipe,
            text=True,
            check=True,
            capture_output=True,
        )
        found = shop.inv("scan", "--image", f"{shop.name}-there:1", code=3)
        assert verdicts(found)["CVE-2026-0001"] == "fails"
        assert found["result"]["scanner"]["on"] == "local"
    finally:
        (shop.root / ".env").unlink()
        subprocess.run(
            [*ssh, f"docker image rm {shop.name}-there:1; rm -rf {shop.name}"], check=False, capture_output=True
        )


@TRIVY
def test_in_a_container(shop: Shop, tmp_path: Path) -> None:
    image = f"{shop.name}-scanner:1"
    shutil.copy(shop.programs / "trivy", tmp_path / "trivy")
    (tmp_path / "Dockerfile").write_text(
        f'FROM {shop.images}debian:bookworm-slim\nCOPY trivy /usr/bin/trivy\nENTRYPOINT ["trivy"]\n'
    )
    shop.host(f"on: container, image: '{image}'")
    assert "is not there" in shop.inv("scan", code=1)["error"]["what"]
    shop.docker("build", "-q", "-t", image, str(tmp_path))
    found = shop.inv("scan", code=3)
    assert verdicts(found)["CVE-2026-0001"] == "fails"
    assert [one["rule"] for one in found["result"]["findings"]] == ["secret-private-key"]


@TRIVY
def test_a_release_that_it_does_not_know_is_no_clean_one(shop: Shop) -> None:
    recipe = (
        f"FROM {shop.images}debian:bookworm-slim\nRUN echo 99.1 >/etc/debian_version; sed -i s/12/99/ /etc/os-release\n"
    )
    words = ["docker", "build", "-q", "-t", f"{shop.name}-new:1", "-"]
    subprocess.run(words, input=recipe, text=True, check=True, capture_output=True)
    shop.host()
    found = shop.inv("scan", "--image", f"{shop.name}-new:1", code=3)["result"]
    assert (found["vulnerabilities"], [one["rule"] for one in found["findings"]]) == ([], ["base-unknown"])


@TRIVY
def test_by_a_server(shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        "server",
        "--listen",
        f"127.0.0.1:{port}",
        "--cache-dir",
        str(shop.cache),
        "--skip-db-update",
        "--token",
        "t0ken",
    ]
    process = subprocess.Popen([shop.programs / "trivy", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shop.write(".env", "TRIVY_TOKEN=t0ken\n")
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)
        scan = f"server: 'http://127.0.0.1:{port}', token: '${{TRIVY_TOKEN}}'"
        shop.host(scan, cache=tmp_path / "no database")
        found = shop.inv("scan", code=3)
        assert verdicts(found)["CVE-2026-0001"] == "fails"
        shop.write(".env", "TRIVY_TOKEN=another\n")
        assert "could not be scanned" in shop.inv("scan", code=1)["error"]["what"]
    finally:
        process.kill()
        process.wait()
        (shop.root / ".env").unlink()
