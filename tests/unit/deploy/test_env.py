"""Which env file counts, and what of it is shown."""

from __future__ import annotations

import pytest

from opslib.deploy.env import Files, difference, refused, write_ours


@pytest.mark.parametrize(
    "here, there, last_here, last_there, choice, expected",
    [
        ("n", None, None, None, None, True),  # the first
        (None, "t", None, None, None, False),  # only on the server
        ("a", "a", "x", "y", None, False),  # the same
        ("n", "a", "a", "a", None, True),  # changed here
        ("a", "s", "a", "a", None, None),  # rotated on the server
        ("n", "s", "a", "a", None, None),  # both
        ("n", "s", "a", "a", "here", True),
        ("n", "s", "a", "a", "there", False),
        ("a", "s", None, None, None, None),  # there, and no release wrote it
        ("a", "s", "a", "s", None, False),  # they differ on purpose, and nothing has changed
        ("n", "s", "a", "s", None, None),  # they differ on purpose, and ours has changed
    ],
)
def test_write(
    here: str | None, there: str | None, last_here: str | None, last_there: str | None, choice: str | None,
    expected: bool | None,
) -> None:  # fmt: skip
    assert write_ours(Files(here, there, last_here, last_there), choice) is expected


def test_only_names_are_shown() -> None:
    old, new = b"A=secret1\nB=2\n# C=1\nexport D=x\n", b"A=secret2\nD=x\nE=secret3\n"
    keys = difference(old, new)
    assert (keys.added, keys.changed, keys.removed) == (("E",), ("A",), ("B",))
    error = refused(".env", old, new, released=True, host="prod", task="deploy")
    assert "added: E; changed: A; removed: B" in error.what
    assert "secret" not in error.text()
    assert "--env there" in (error.next or "")
    assert str(difference(b"A=1", b"# only\nA=1")) == "only comments or order"
