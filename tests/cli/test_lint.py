"""`inv lint` as a person types it, where there is no Docker."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

LINTER = shutil.which("compose-lint", path=str(Path(sys.executable).parent))
COMPOSE = "services:\n  web:\n    image: nginx:1\n    privileged: true\n"


@pytest.fixture
def bare(project: Any) -> Any:
    """A project on a machine without Docker."""
    project.write("compose.yml", COMPOSE)
    project.write("hosts/local.yml", "docker: [no-docker-here]\n")
    return project


@pytest.mark.skipif(LINTER is None, reason="compose-lint is not installed")
def test_without_docker_it_says_so_and_asks_the_others_all_the_same(bare: Any) -> None:
    done = bare.inv("lint")
    assert done.code == 1
    assert "compose.yml:4:" in done.out
    assert "CL-0002, exposes" in done.out
    assert "Docker is not installed" in done.err
    record = bare.inv("lint", "--json", "--sarif", "found.sarif", "--baseline", "known.json").json["hosts"][0]
    assert record["error"]["next"].startswith("sudo apt-get install docker.io")
    assert {"CL-0002"} <= {one["rule"] for one in record["result"]["findings"]}
    assert not (bare.root / "known.json").exists(), "not all was looked at"
    assert '"CL-0002"' in (bare.root / "found.sarif").read_text()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--fail-on", "critical"], "expected one of loses-data, breaks, exposes, hardening"),
        (["--github", "--json"], "one object"),
        (["--running", "--file", "compose.yml"], "--running looks at what the host file describes"),
        (["--file", "gone.yml"], "there is no compose file gone.yml"),
        (["--file", "../compose.yml"], "there is no compose file ../compose.yml"),
        (["--baseline", "compose.yml"], "compose.yml is no baseline of inv lint"),
        (["--host", "nowhere"], "nowhere"),
    ],
)
def test_what_is_no_call_of_it(bare: Any, words: list[str], said: str) -> None:
    done = bare.inv("lint", *words)
    assert (done.code, said in done.out + done.err) == (2, True), done.out + done.err


def test_without_a_compose_file_it_says_what_to_do(project: Any) -> None:
    (project.root / "compose.yml").unlink()
    done = project.inv("lint")
    assert (done.code, "no compose file" in done.err) == (2, True)
