"""`inv env.…` as a person types it."""

from __future__ import annotations

import stat
import subprocess
from typing import Any

EXAMPLE = """# The owner of all.
OWNER=
POSTGRES_PASSWORD=
# type: port
PORT=8000
"""
COMPOSE = """services:
  web: {image: x, environment: {P: "${PORT}", PASSWORD: "${POSTGRES_PASSWORD:?}"}, env_file: [web.env]}
"""


def test_an_env_file_is_made_completed_and_found_good(project: Any) -> None:
    project.write(".env.example", EXAMPLE)
    project.write("web.env.example", "API_KEY=\n")
    project.write("compose.yml", COMPOSE)
    planned = project.inv("env.init", "--plan", "--json").json["hosts"][0]
    assert (planned["changed"], (project.root / ".env").exists()) == (False, False)
    assert [one["file"] for one in planned["result"]["files"]] == [".env", "web.env"]
    done = project.inv("env.init")
    assert (done.code, "POSTGRES_PASSWORD generated" in done.out, "OWNER: nobody has said" in done.out) == (
        0,
        True,
        True,
    )
    file = project.root / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = next(
        line.partition("=")[2] for line in file.read_text().split("\n") if line.startswith("POSTGRES_PASSWORD")
    )
    assert len(secret) == 32
    assert secret not in done.out + done.err
    made = file.read_bytes()
    assert not project.inv("env.init", "--json").json["hosts"][0]["changed"]
    assert file.read_bytes() == made
    checked = project.inv("env.check", "--json").json["hosts"][0]
    assert [(one["rule"], one["cost"]) for one in checked["result"]["findings"]] == [("env-unused", "hardening")]
    assert project.inv("env.check").code == 0


def test_what_is_wrong_is_named_with_its_place_and_without_its_value(project: Any) -> None:
    project.write(".env.example", EXAMPLE)
    project.write("compose.yml", COMPOSE)
    project.write(".env", "POSTGRES_PASSWORD=changeme\nPORT=hunter2x\n")
    subprocess.run(["git", "init", "-q", "."], cwd=project.root, check=True)
    subprocess.run(["git", "add", ".env"], cwd=project.root, check=True)
    done = project.inv("env.check")
    assert done.code == 3
    for said in (
        ".env:2: the value of PORT",
        "there is no web.env",
        "git tracks .env",
        "chmod 600 .env",
        ".env:1: the value",
    ):
        assert said in done.out, said
    assert "hunter2x" not in done.out + done.err
    assert "changeme" not in done.out + done.err


def test_without_an_example_it_says_what_to_write(project: Any) -> None:
    done = project.inv("env.init")
    assert (done.code, ".env.example" in done.err) == (2, True)
