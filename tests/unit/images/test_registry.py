"""Pushing and pulling by way of a registry: what is typed, what is read, and where the password is not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from opslib.command import Secret
from opslib.errors import OpsError
from opslib.images.registry import Pushes, pull, pull_command, push_command, pushed_digest
from opslib.settings.model import Host
from opslib.settings.registry import Registry
from opslib.target.connect import connect

REGISTRY = Registry(address="r.example.com:5000/team", user="me", password=Secret("hunter-22"))
DIGEST = f"sha256:{'1' * 64}"
OTHER = f"sha256:{'2' * 64}"
NAME = "r.example.com:5000/team/api"

ENGINE = """#!/bin/bash
# An engine that notes what it was asked for, with the login that it had, and as which registry answers.
cd "${0%/*}" || exit
login=none; if [ "$1" = --config ]; then login=$(cat "$2/config.json" 2>/dev/null); config=$2; shift 2; fi
printf '%s [%s]\\n' "$*" "$login" >>asked
case $1 in
login) read -r password; [ "$password" = hunter-22 ] || { echo "unauthorized" >&2; exit 1; }
  echo "$password" >"$config/config.json" ;;
push) echo "1: digest: sha256:$(printf '1%.0s' {1..64}) size: 5" ;;
pull) [ ! -e down ] || { echo "connection refused" >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    client = tmp_path / "docker"
    client.write_text(ENGINE)
    client.chmod(0o755)
    return Host(name="there", path=str(tmp_path / "project"), docker=(str(client),))


def test_the_password_is_in_no_word() -> None:
    host = Host(name="p", path="x")
    for command in (push_command(host, "/s", REGISTRY, "api:1"), pull_command(host, "/s", REGISTRY, "d", "api:1")):
        assert command.feed == REGISTRY.password
        assert "hunter-22" not in command.raw() + command.masked()
    assert push_command(host, "/s", REGISTRY, "api:1").stages[0].argv[6:] == (
        "/s", "r.example.com:5000", "me", "api:1", "r.example.com:5000/team/api:1",
    )  # fmt: skip


@pytest.mark.parametrize(
    "said, digest",
    [
        (f"abc: Pushed\n1: digest: {DIGEST} size: 9\n{NAME}@{OTHER}\n{NAME}@{DIGEST}", DIGEST),
        (f"abc: Pushed\nelse/api@{OTHER}\n{NAME}@{DIGEST}\n", DIGEST),
        (f"else/api@{OTHER}\n", None),
    ],
)
def test_the_digest_is_read(said: str, digest: str | None) -> None:
    assert pushed_digest(said, f"{NAME}:1") == (digest and f"{NAME}@{digest}")


def test_it_is_pushed_once_for_all_and_the_login_goes_away(host: Host, tmp_path: Path) -> None:
    here, pushes, found = connect(host), Pushes(), []
    threads = [threading.Thread(target=lambda: found.append(pushes.digest(here, REGISTRY, "api:1"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [f"{NAME}@{DIGEST}"] * 4
    pull(here, REGISTRY, found[0], "api:1")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line for line in asked if line.startswith(("push", "pull"))] == [
        f"push {NAME}:1 [hunter-22]", f"pull --quiet {NAME}@{DIGEST} [hunter-22]",
    ]  # fmt: skip
    assert f"image rm {NAME}:1 [none]" in asked
    assert asked[-2:] == [f"image tag {NAME}@{DIGEST} api:1 [none]", f"image rm {NAME}@{DIGEST} [none]"]
    assert not list(Path(here.state).glob("login*"))
    here.close()


def test_without_a_user_the_engines_own_login_is_used(host: Host, tmp_path: Path) -> None:
    here = connect(host)
    pull(here, Registry(address="r.example.com:5000/team"), f"{NAME}@{DIGEST}", "api:1")
    assert (tmp_path / "asked").read_text().splitlines()[0] == f"pull --quiet {NAME}@{DIGEST} [none]"
    here.close()


def test_what_the_registry_refuses_is_said(host: Host, tmp_path: Path) -> None:
    here = connect(host)
    wrong = Registry(address="r.example.com:5000", user="me", password=Secret("wrong-one"))
    with pytest.raises(OpsError, match=r"r\.example\.com:5000 did not let me in: unauthorized") as caught:
        pull(here, wrong, f"{NAME}@{DIGEST}", "api:1")
    assert "registry:" in (caught.value.next or "")
    (tmp_path / "down").touch()
    with pytest.raises(OpsError, match=r"api:1 was not pulled: connection refused"):
        pull(here, REGISTRY, f"{NAME}@{DIGEST}", "api:1")
    assert not list(Path(here.state).glob("login*"))
    here.close()
