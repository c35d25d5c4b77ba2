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


def test_env_files_of_two_hosts_are_compared_by_marks(project: Any) -> None:
    for name, secret in (("a", "one-secret-value"), ("b", "another-secret-value")):
        project.write(f"hosts/{name}.yml", f"path: {project.root}/there/{name}\nenv_file: .env.{name}\n")
        project.write(f".env.{name}", f"SAME=same-for-both\nSECRET={secret}\nONLY_{name.upper()}=1\n")
        project.write(f"there/{name}/.env.{name}", f"SAME=same-for-both\nSECRET={secret}\n")
    done = project.inv("env.diff", "--host", "a,b")
    assert done.code == 0
    rows = {line.split()[0]: line.split()[1:] for line in done.out.split("\n") if line.strip()}
    first, second = rows["SECRET"][0], rows["SECRET"][2]
    assert (rows["SECRET"], first != second) == ([first, first, second, second], True)
    assert "not set" in next(line for line in done.out.split("\n") if line.startswith("ONLY_A"))
    assert "SAME" not in rows
    assert "SAME" in project.inv("env.diff", "--host", "a,b", "--all").out
    keys = project.inv("env.diff", "--host", "a", "--json").json["hosts"][0]["result"]["keys"]
    assert [(one["name"], one["same"]) for one in keys] == [("ONLY_A", False), ("SAME", True), ("SECRET", True)]
    assert not any(value in done.out + done.err for value in ("one-secret-value", "another-secret-value", "same-for"))


def test_values_that_stand_elsewhere_are_checked_too(project: Any) -> None:
    project.write("hosts/far.yml", f"path: {project.root}/there\nenv_file: .env\n")
    project.write("secret.txt", "a-Long-enough_secret\n")
    file = project.write(".env", "A_SECRET=file:secret.txt\nB_SECRET=cmd:printf short\nC_SECRET=cmd:false\n")
    file.chmod(0o600)
    found = project.inv("env.check", "--host", "far", "--json").json["hosts"][0]["result"]["findings"]
    assert [(one["rule"], one["line"]) for one in found if one["cost"] != "hardening"] == [
        ("env-source", 3),
        ("env-weak", 2),
    ]
    assert "a-Long-enough_secret" not in project.inv("env.check", "--host", "far").out
    assert "Docker Compose reads this file as it is" in project.inv("env.check").out


def test_a_secret_that_another_host_reads_from_the_same_file_is_asked_about(project: Any) -> None:
    for name in ("a", "b"):
        project.write(f"hosts/{name}.yml", f"path: {project.root}/there/{name}\nenv_file: .env\n")
    project.write("hosts/c.yml", "address: c\nenv_file: .env.c\n")
    done = project.inv("env.rotate", "KEY", "--host", "a")
    assert (done.code, "no terminal" in done.err) == (5, True)
    done = project.inv("env.rotate", "KEY", "--host", "a,b")
    assert done.code == 2, done.err
    assert "there is no a:.env" in done.err
    assert "'key'" in project.inv("env.rotate", "--host", "a").err


def test_an_env_file_is_pushed_to_a_folder_and_pulled_from_it(project: Any) -> None:
    project.write("hosts/far.yml", f"path: {project.root}/there\nenv_file: .env\n")
    project.write(".env", "KEPT=1\nKEY=S3cret-one\n")
    planned = project.inv("env.push", "--host", "far", "--plan")
    assert (planned.code, "added: KEPT, KEY" in planned.out, (project.root / "there/.env").exists()) == (0, True, False)
    assert project.inv("env.push", "--host", "far").code == 0
    there = project.root / "there/.env"
    assert (there.read_text(), stat.S_IMODE(there.stat().st_mode)) == ("KEPT=1\nKEY=S3cret-one\n", 0o600)
    assert not project.inv("env.push", "--host", "far", "--json").json["hosts"][0]["changed"]
    there.write_text("KEY=S3cret-two\nNEW=2\n")
    refused = project.inv("env.push", "--host", "far")
    assert (refused.code, "added: KEPT; changed: KEY; removed: NEW" in refused.err) == (1, True)
    assert project.inv("env.pull", "--host", "far").code == 5, "KEPT would be lost here"
    project.inv("env.pull", "--host", "far", "--keys", "KEY")
    assert (project.root / ".env").read_text() == "KEPT=1\nKEY=S3cret-two\n"
    assert project.inv("env.pull", "--host", "far", "--yes").code == 0
    assert (project.root / ".env").read_text() == there.read_text()
    kept = sorted(one.read_text() for one in (project.root / ".opslib/env").glob("20*"))
    assert kept == ["KEPT=1\nKEY=S3cret-one\n", "KEPT=1\nKEY=S3cret-two\n"]
    assert (project.root / ".opslib/env/.gitignore").read_text() == "*\n"
    assert "S3cret" not in refused.out + refused.err + planned.out + planned.err
