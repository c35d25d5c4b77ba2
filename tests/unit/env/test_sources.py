"""Values that stand elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from opslib.env import sources
from opslib.env.sources import env_here, resolved
from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile


def values(root: Path, text: str) -> dict[str, str]:
    return EnvFile(resolved(root, text.encode(), ".env").decode(), ".env").values()


def why(root: Path, text: str) -> str:
    with pytest.raises(BadSettings) as caught:
        resolved(root, text.encode(), ".env")
    return str(caught.value)


def test_a_value_comes_from_a_file_or_a_program_and_what_refers_to_it_follows(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/db").write_text("from a file\n")
    text = (
        'A=file:secrets/db\nB=\'cmd:printf "%s" "two words"\'\nURL=x://u:${B}@db\nC=cmd:cat secrets/db # why\nD=plain\n'
    )
    assert values(tmp_path, text) == {
        "A": "from a file", "B": "two words", "URL": "x://u:two words@db", "C": "from a file", "D": "plain",
    }  # fmt: skip


def test_what_only_looks_like_it_is_itself(tmp_path: Path) -> None:
    text = "DATABASE_URL=file:./dev.db\nA=profile:x\nB=cmd:\nC=cmd\n"
    assert resolved(tmp_path, text.encode(), ".env") == text.encode()
    assert resolved(tmp_path, b"no = file: at all\n\xff", ".env") == b"no = file: at all\n\xff"


def test_what_goes_wrong_names_the_variable_and_what_the_program_said(tmp_path: Path) -> None:
    said = why(tmp_path, "A=1\nKEY=cmd:sh -c 'echo S3cret; echo vault is sealed >&2; exit 3'\n")
    assert ".env:2: KEY comes from the program sh, which ended with 3:\n    vault is sealed" in said
    assert "S3cret" not in said
    assert "KEY comes from the file nowhere, which cannot be read: No such file" in why(tmp_path, "KEY=file:nowhere\n")
    assert "cannot be called: No such file" in why(tmp_path, "KEY=cmd:no-such-program x\n")
    assert "a quote is not closed" in why(tmp_path, "KEY=cmd:echo \"it's\n")
    assert "is empty" in why(tmp_path, "KEY=cmd:true\n")


def test_a_program_that_does_not_answer_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LIMIT", 0.3)
    began = time.monotonic()
    assert "gave no answer within" in why(tmp_path, "KEY=cmd:sh -c 'sleep 60 & sleep 60'\n")
    assert time.monotonic() - began < 10


def test_in_the_projects_own_folder_compose_would_take_it_for_the_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=cmd:printf x\n")
    assert env_here(tmp_path, ".env", local=False) == b"KEY=x\n"
    with pytest.raises(BadSettings, match="Docker Compose reads this file as it is"):
        env_here(tmp_path, ".env", local=True)
    assert env_here(tmp_path, "other", local=True) is None
