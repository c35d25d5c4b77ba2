"""The files of what a project lives with."""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.errors import BadSettings
from opslib.scan import ignores

YAML = """vulnerabilities:
  - id: CVE-2026-1
    statement: we never parse XML
    expired_at: 2027-01-31
  - {id: CVE-2026-2, statement: "not reachable", expired_at: "2027-02-01", paths: [usr/lib/*], purls: ["pkg:pypi/x"]}
secrets:
  - id: private-key
    statement: a key of the tests
    expired_at: 2027-01-01
licenses:
  - {id: MIT, statement: fine, expired_at: 2027-01-01}
"""
TEXT = """# Until they release 2.1.
# It is behind the proxy.
CVE-2026-1 exp:2027-01-31
CVE-2026-2 exp:2027-02-01

CVE-2026-3 exp:2027-02-01 # not reachable
"""


def test_the_yaml_form(tmp_path: Path) -> None:
    (tmp_path / ".trivyignore.yaml").write_text(YAML)
    (tmp_path / ".trivyignore").write_text("CVE-9\n")  # the other form is not looked at
    first, second, third = ignores.read(tmp_path, None)
    assert (first.id, first.reason, first.until, first.line) == (
        "CVE-2026-1", "we never parse XML", date(2027, 1, 31), 2,
    )  # fmt: skip
    assert (second.paths, second.purls, second.line) == (("usr/lib/*",), ("pkg:pypi/x",), 5)
    assert (third.id, third.file) == ("private-key", ".trivyignore.yaml")


def test_the_plain_form(tmp_path: Path) -> None:
    (tmp_path / ".trivyignore").write_text(TEXT)
    assert [(one.id, one.reason, one.line) for one in ignores.read(tmp_path, None)] == [
        ("CVE-2026-1", "Until they release 2.1. It is behind the proxy.", 3),
        ("CVE-2026-2", "Until they release 2.1. It is behind the proxy.", 4),
        ("CVE-2026-3", "not reachable", 6),
    ]


def test_no_file_ignores_nothing_and_a_named_one_has_to_be_there(tmp_path: Path) -> None:
    assert ignores.read(tmp_path, None) == []
    with pytest.raises(BadSettings, match=r"there is no security/ignore\.yaml"):
        ignores.read(tmp_path, "security/ignore.yaml")


@pytest.mark.parametrize(
    "name, text, said",
    [
        (".trivyignore", "CVE-1\n", ".trivyignore:1: CVE-1 has no end"),
        (".trivyignore", "CVE-1 exp:2027-01-31\n", ".trivyignore:1: CVE-1 has no reason"),
        (".trivyignore", "# why\nCVE-1 exp:31.1.2027\n", ".trivyignore:2: expected a date like 2027-01-31, found '31.1.2027'"),
        (".trivyignore", "# why\nCVE-1 exp:2027-02-30\n", ":2: expected a date"),
        (".trivyignore", "# why\n\nCVE-1 exp:2027-01-31\n", ":3: CVE-1 has no reason"),
        (".trivyignore.yaml", "vulnerabilities:\n  - {id: CVE-1, expired_at: 2027-01-31}\n", ":2: vulnerabilities[0].statement is missing"),
        (".trivyignore.yaml", "vulnerabilities:\n  - {id: CVE-1, statement: x}\n", "expired_at is missing"),
        # Trivy takes this for one that never ends
        (".trivyignore.yaml", "vulnerabilities:\n  - {id: CVE-1, statement: x, expires: 2027-01-31}\n", "unknown key 'vulnerabilities[0].expires'; did you mean"),
        (".trivyignore.yaml", "vulnerabilities:\n  - {id: CVE-1, statement: x, expired_at: soon}\n", "expected a date"),
        (".trivyignore.yaml", "- CVE-1\n", "expected keys"),
        (".trivyignore.yaml", "vulnerabilities: [CVE-1]\n", ":1:"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSettings) as error:
        ignores.read(tmp_path, None)
    assert said in error.value.what
    assert error.value.what.startswith(name)


@given(text=st.text(max_size=80) | st.sampled_from([YAML, TEXT]).map(lambda text: text[: len(text) // 2]))
def test_whatever_stands_in_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.getbasetemp()
    for name in ignores.USUAL:
        (root / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        with contextlib.suppress(BadSettings):
            assert all(one.reason and one.id for one in ignores.read(root, name))
