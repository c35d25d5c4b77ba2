"""`inv lint`, with the real Docker Compose and the real linters, and the deploy that it holds up."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Project

pytestmark = pytest.mark.lab
COMPOSE = """\
# What everybody writes.
version: "3.8"
services:
  mongo:
    image: mongo:7
    volumes:
      - data:/data     # looks right
    environment:
      MONGO_INITDB_ROOT_PASSWORD: hunter2hunter2
  web:
    image: nginx:1
    build: .
    depends_on: [mongo]
    environment:
      TOKEN: ${API_TOKEN:?}
    env_file: [gone.env]
  tool:
    image: busybox:1
    profiles: [tools]
volumes:
  data:
"""
OVER = """\
services:
  web:
    privileged: true
    ports: !override
      - "8080:80"
"""


@pytest.fixture
def project(lab: Any, tmp_path: Path) -> Project:
    root = tmp_path / "my stack"
    root.mkdir()
    made = Project(root)
    made.write("compose.yml", COMPOSE)
    made.write("compose.override.yml", OVER)
    made.write("Dockerfile", "FROM debian\nRUN cd /tmp\n")
    made.write(".env.example", "API_TOKEN=\n")
    return made


def rules(done: Any) -> dict[str, list[str]]:
    """Each rule that was broken, with its places."""
    found: dict[str, list[str]] = {}
    for one in done.json["hosts"][0]["result"]["findings"]:
        found.setdefault(one["rule"], []).append(f"{one['file']}:{one['line']}")
    return found


def test_everything_of_a_stack_is_found_where_a_person_edits_it(project: Project) -> None:
    done = project.inv("lint", "--json", "--sarif", "out.sarif")
    assert done.code == 3
    found = rules(done)
    assert found["mount-beside-data"] == ["compose.yml:7"]
    assert found["version-key"] == ["compose.yml:2"]
    assert found["CL-0002"] == ["compose.override.yml:3"]
    assert found["literal-password"] == ["compose.yml:9"]
    assert "CL-0020" not in found
    assert "Dockerfile:1" in found["DL3006"]
    result = done.json["hosts"][0]["result"]
    assert result["files"] == ["compose.yml", "compose.override.yml"]
    assert result["notes"] == [
        "there is no .env here: the values of .env.example stand for its, and stand-ins for those that have none",
        "env files of services that are not here were left out",
        "not looked at, because their profile is not on (COMPOSE_PROFILES in .env): tool",
    ]
    shown = project.inv("lint")
    assert shown.code == 3
    assert "compose.yml:7: " in shown.out
    assert "hunter2" not in done.out + done.err + shown.out + shown.err + (project.root / "out.sarif").read_text()
    levels = {
        one["ruleId"]: one["level"]
        for one in json.loads((project.root / "out.sarif").read_text())["runs"][0]["results"]
    }
    assert (levels["mount-beside-data"], levels["CL-0002"]) == ("error", "warning")


def test_what_is_known_is_ignored_and_what_is_new_counts(project: Project) -> None:
    first = project.inv("lint", "--baseline", "known.json", "--json")
    assert (first.code, first.json["hosts"][0]["changed"], rules(first)) == (0, True, {})
    project.write("compose.override.yml", OVER + "  mongo:\n    privileged: true\n")
    again = project.inv("lint", "--baseline", "known.json", "--json", "--fail-on", "exposes")
    assert (again.code, rules(again)) == (3, {"CL-0002": ["compose.override.yml:7"]})
    comment = "# opslib: ignore mount-beside-data until 2999-01-01: rebuilt each night"
    project.write("compose.yml", COMPOSE.replace("# looks right", comment))
    ignored = project.inv("lint", "--fail-on", "loses-data", "--json")
    assert ignored.code == 0
    (one,) = ignored.json["hosts"][0]["result"]["ignored"]
    assert (one["rule"], one["line"], one["reason"]) == ("mount-beside-data", 7, "rebuilt each night")


def test_files_that_compose_refuses_are_a_finding(project: Project) -> None:
    project.write("compose.yml", COMPOSE.replace("mongo:7", "mongo:7\n    never: 1"))
    project.write("sub/compose.yml", "services:\n  a: [\n")
    done = project.inv("lint", "--file", "compose.yml,sub/compose.yml", "--json")
    assert done.code == 3
    assert sorted(rules(done)["compose-refused"]) == ["compose.yml:4", "sub/compose.yml:2"]


def test_files_of_other_names_are_merged_for_the_linters_too(project: Project) -> None:
    project.write("base.yml", "services:\n  web:\n    image: nginx:1\n    security_opt: ['no-new-privileges:true']\n")
    project.write("prod.yml", "services:\n  web:\n    privileged: true\n")
    project.write("hosts/local.yml", "compose: [base.yml, prod.yml]\n")
    found = rules(project.inv("lint", "--json"))
    assert found["CL-0002"] == ["prod.yml:3"]
    assert "CL-0003" not in found


def test_safe_changes_keep_the_text(project: Project) -> None:
    planned = project.inv("lint", "--fix", "--plan", "--json").json["hosts"][0]
    assert not planned["changed"]
    assert (project.root / "compose.yml").read_text() == COMPOSE
    done = project.inv("lint", "--fix", "--json").json["hosts"][0]
    assert done["changed"]
    assert done["result"]["diff"] == planned["result"]["diff"]
    assert "version-key" in {one["rule"] for one in done["result"]["fixed"]}
    text = (project.root / "compose.yml").read_text()
    assert "version:" not in text
    for kept in ("# What everybody writes.\n", "      - data:/data     # looks right\n", "    depends_on: [mongo]\n"):
        assert kept in text
    again = project.inv("lint", "--fix", "--json").json["hosts"][0]
    assert (again["changed"], again["result"]["fixed"]) == (False, [])


def test_what_runs_is_compared_with_the_files(lab: Any, tmp_path: Path) -> None:
    root, name = tmp_path / "stack", f"lint-{uuid.uuid4().hex[:8]}"
    root.mkdir()
    project = Project(root)
    image = f"{lab['images_prefix']}busybox:1"
    text = (
        f"name: {name}\nservices:\n  web:\n    image: {image}\n    command: [sleep, '1000']\n    init: true\n"
        "    environment: {TOKEN: '${TOKEN}', MODE: a}\n"
    )
    project.write("compose.yml", text)
    project.write(".env", "TOKEN=before12345\n")
    compose = [lab["engine"]["docker"], "compose", "--project-directory", str(root)]
    subprocess.run([*compose, "up", "-d"], check=True, capture_output=True)
    try:
        same = project.inv("lint", "--running", "--json")
        assert not {"drift", "health-failing"} & rules(same).keys()
        project.write(".env", "TOKEN=after12345\n")
        other = project.inv("lint", "--running", "--json")
        assert rules(other)["drift"] == ["compose.yml:3"]
        assert "TOKEN" in next(
            one["what"] for one in other.json["hosts"][0]["result"]["findings"] if one["rule"] == "drift"
        )
        assert not any(secret in other.out + other.err for secret in ("before12345", "after12345"))
        assert "drift" not in rules(project.inv("lint", "--json"))
    finally:
        subprocess.run([*compose, "down", "-t", "0"], check=True, capture_output=True)


def test_a_deploy_of_what_loses_data_is_refused_until_it_is_meant(project: Project) -> None:
    compose = (
        "services:\n  db:\n    image: mongo:7\n    volumes: [data:/data]\n    restart: always\nvolumes: {data: }\n"
    )
    project.write("compose.yml", compose)
    (project.root / "compose.override.yml").unlink()
    refused = project.inv("deploy", "--plan")
    assert refused.code == 1
    assert "compose.yml:4: " in refused.err
    assert "(mount-beside-data)" in refused.err
    assert "inv deploy --host local --ignore mount-beside-data" in refused.err
    assert project.inv("deploy", "--plan", "--ignore", "mount-beside-data").code == 0
    assert project.inv("deploy", "--plan", "--ignore", "no-memory-limit").code == 2
    comment = "    # opslib: ignore mount-beside-data until 2999-01-01: of no worth\n    volumes"
    project.write("compose.yml", compose.replace("    volumes", comment, 1))
    assert project.inv("deploy", "--plan").code == 0
