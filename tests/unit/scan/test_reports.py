"""Reports of Trivy and grype: of other versions, with half of it missing, damaged, and large."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.scan import grype_report, trivy_report
from opslib.scan.model import Damaged, Report
from opslib.settings.scanning import SEVERITIES

TRIVY: dict[str, Any] = {
    "SchemaVersion": 2, "ArtifactName": "api:1", "ArtifactType": "container_image",
    "Metadata": {"OS": {"Family": "debian", "Name": "10.13", "EOSL": True}, "ImageID": "sha256:1"},
    "Results": [
        {"Target": "api:1 (debian 10.13)", "Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "openssl"}, {}],
         "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2026-1", "PkgName": "openssl", "InstalledVersion": "3.0.1", "FixedVersion": "3.0.2",
             "Severity": "CRITICAL", "Title": "a hole", "PrimaryURL": "https://example.com/1", "Status": "fixed",
             "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.1", "UID": "7"}, "References": ["x"]},
            {"VulnerabilityID": "CVE-2026-2", "Severity": "SOON"}]},
        {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2026-3", "PkgName": "jinja2", "PkgPath": "usr/lib/jinja2/METADATA",
             "InstalledVersion": "2.0", "Severity": "HIGH", "PrimaryURL": "javascript:alert(1)"}]},
        {"Target": "/app/id_rsa", "Class": "secret", "Secrets": [
            {"RuleID": "private-key", "Severity": "HIGH", "Title": "Asymmetric Private Key", "StartLine": 1,
             "Match": "hunter2x", "Code": {"Lines": [{"Content": "hunter2x"}]}}]},
        {"Target": "Dockerfile", "Class": "config", "Type": "dockerfile", "Misconfigurations": [
            {"ID": "DS-0002", "Title": "root", "Message": "runs as root", "Resolution": "USER", "Severity": "HIGH",
             "Status": "FAIL", "CauseMetadata": {"StartLine": 3}},
            {"ID": "DS-0001", "Status": "PASS", "Severity": "HIGH"}]},
        {"Target": "clean"},
    ],
}  # fmt: skip
GRYPE: dict[str, Any] = {
    "matches": [
        {"vulnerability": {"id": "CVE-2026-1", "severity": "Critical", "dataSource": "https://example.com/1",
                           "fix": {"versions": ["3.0.2"], "state": "fixed"}},
         "artifact": {"name": "openssl", "version": "3.0.1", "type": "deb", "purl": "pkg:deb/debian/openssl@3.0.1",
                      "locations": [{"path": "/var/lib/dpkg/status"}]}},
        {"vulnerability": {"id": "CVE-2026-4", "severity": "Negligible", "fix": {"versions": [], "state": "wont-fix"}},
         "artifact": {"name": "jinja2", "version": "2.0", "type": "python", "locations": [{"path": "/usr/x"}]}},
    ],
    "distro": {"name": "debian", "version": "12"},
    "descriptor": {"name": "grype", "version": "0.121.2", "db": {"status": {"built": "2026-11-29T01:02:03Z"}}},
}  # fmt: skip
READERS = {"trivy": (trivy_report.read, TRIVY), "grype": (grype_report.read, GRYPE)}


def read(tmp_path: Path, document: object, kind: str = "trivy") -> Report:
    path = tmp_path / "report.json"
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return READERS[kind][0](path)


def test_what_trivy_says(tmp_path: Path) -> None:
    report = read(tmp_path, TRIVY)
    first, second, third = report.vulnerabilities
    assert (first.id, first.package, first.installed, first.fixed) == ("CVE-2026-1", "openssl", "3.0.1", "3.0.2")
    assert (first.severity, first.kind, first.path, first.purl) == (
        "critical", "debian", "", "pkg:deb/debian/openssl@3.0.1",
    )  # fmt: skip
    assert (second.id, second.package, second.severity) == ("CVE-2026-2", "", "unknown")
    assert (third.path, third.fixed, third.url) == ("usr/lib/jinja2/METADATA", "", "")
    secret, mistake = report.findings
    assert (secret.rule, secret.cost, secret.file, secret.line) == ("secret-private-key", "exposes", "/app/id_rsa", 1)
    assert (mistake.rule, mistake.what, mistake.line) == ("DS-0002", "runs as root", 3)
    assert (report.os, report.ended, report.packages) == ("debian 10.13", True, 2)
    assert "hunter2x" not in repr(report)


def test_what_grype_says(tmp_path: Path) -> None:
    report = read(tmp_path, GRYPE, "grype")
    first, second = report.vulnerabilities
    assert (first.id, first.package, first.fixed, first.severity, first.path) == (
        "CVE-2026-1", "openssl", "3.0.2", "critical", "",
    )  # fmt: skip
    assert (second.fixed, second.severity, second.path, second.status) == ("", "low", "/usr/x", "wont-fix")
    assert (report.os, str(report.database)) == ("debian 12", "2026-11-29 01:02:03+00:00")
    older = {**GRYPE, "descriptor": {"name": "grype", "db": {"built": "2024-01-02T03:04:05.123456789Z"}}}
    assert str(read(tmp_path, older, "grype").database) == "2024-01-02 03:04:05.123456+00:00"


@pytest.mark.parametrize(
    "document",
    [
        {"SchemaVersion": 2},
        {"SchemaVersion": 2, "Results": None, "Metadata": None},
        {"SchemaVersion": 2, "Results": [], "Metadata": {"OS": None}},
        {"SchemaVersion": 2, "Results": [{"Target": "x", "Vulnerabilities": None, "Secrets": None, "Packages": None}]},
        [{"Target": "api (alpine 3.9)", "Vulnerabilities": None}],
    ],
)
def test_nothing_found_is_said_in_many_ways(tmp_path: Path, document: object) -> None:
    report = read(tmp_path, document)
    assert (report.vulnerabilities, report.findings) == ((), ())


def test_a_bare_list_of_an_old_version(tmp_path: Path) -> None:
    found = {"VulnerabilityID": "CVE-2018-1", "PkgName": "lodash", "Severity": "HIGH", "InstalledVersion": "1"}
    (one,) = read(tmp_path, [{"Target": "package-lock.json", "Vulnerabilities": [found]}]).vulnerabilities
    assert (one.id, one.path) == ("CVE-2018-1", "package-lock.json")


@pytest.mark.parametrize(
    "document, said",
    [
        (b"", "empty"),
        (b"null", "not understood"),
        (b"{}", "no SchemaVersion"),
        (b"[]", "none of Trivy's"),
        (b'[{"a": 1}]', "none of Trivy's"),
        (b'"a report"', "not understood"),
        (json.dumps(TRIVY).encode()[:-30], "truncated"),
        (json.dumps(TRIVY).encode() + b"x", "trailing"),
        (b'{"SchemaVersion": 3}', "schema 3"),
        (b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"PkgName": "x"}]}]}', "without id"),
        (b'{"SchemaVersion": 2, "Results": {}}', "$.Results"),
        (b'{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"Severity": 7}]}]}', "Vulnerabilities[0].Severity"),
        (b'{"SchemaVersion": 2, "Results": [{"Target": "\xff"}]}', "not understood"),
        (b'{"SchemaVersion": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    ],
)
def test_what_is_no_report_is_never_a_clean_one(tmp_path: Path, document: bytes, said: str) -> None:
    with pytest.raises(Damaged, match="report") as error:
        read(tmp_path, document)
    assert said in str(error.value)


def test_no_file_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="No such file"):
        trivy_report.read(tmp_path / "absent")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, child in inside for place in places(child, (*at, key)))]


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_whatever_stands_in_it_it_is_read_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    document = copy.deepcopy(READERS[kind][1])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([place for place in places(document) if place]))
        inside: Any = document
        for key in place[:-1]:
            inside = inside[key]
        if data.draw(st.booleans()):
            inside[place[-1]] = data.draw(ANY)
        else:
            del inside[place[-1]]
    text = json.dumps(document).encode()
    cut = data.draw(st.integers(0, len(text)) | st.just(len(text)))
    with contextlib.suppress(Damaged):
        report = read(tmp_path_factory.getbasetemp(), text[:cut], kind)
        assert all(one.id and one.severity in SEVERITIES for one in report.vulnerabilities)


@pytest.mark.parametrize("kind", READERS)
@given(junk=st.binary(max_size=200))
def test_junk_is_damaged(tmp_path_factory: pytest.TempPathFactory, kind: str, junk: bytes) -> None:
    with pytest.raises(Damaged):
        read(tmp_path_factory.getbasetemp(), junk, kind)


LARGE = """
import json, re, sys
from pathlib import Path
from opslib.scan import trivy_report

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = anonymous()
report = trivy_report.read(Path(sys.argv[1]))
print(len(report.vulnerabilities), anonymous() - before)
"""


def test_memory_is_that_of_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    one = {**TRIVY["Results"][0]["Vulnerabilities"][0], "Description": "d" * 9000, "References": ["r" * 900]}
    package = json.dumps({"Name": "openssl", "Layer": {"DiffID": "sha256:" + "0" * 64}, "Files": ["f" * 900]})
    with open(path, "w") as file:
        file.write('{"SchemaVersion": 2, "Results": [{"Target": "x", "Class": "os-pkgs", "Packages": [')
        file.write(",".join([package] * 100_000))
        file.write('], "Vulnerabilities": [')
        file.write(",".join([json.dumps(one)] * 10_000))
        file.write("]}]}")
    assert path.stat().st_size > 200_000_000
    done = subprocess.run([sys.executable, "-c", LARGE, str(path)], capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 10_000
    assert kilobytes < 40_000
    path.unlink()
