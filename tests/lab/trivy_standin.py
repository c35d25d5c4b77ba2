#!/usr/bin/env python3
"""A stand-in for Trivy where the real one is not there: it prints reports of the same shape and ends with the same exit
codes. It finds what its database says, a list of entries as tests/lab/trivy_db.py makes them, in every image."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, NoReturn


def fatal(what: str) -> NoReturn:
    print(f"2026-11-30T12:00:00Z\tFATAL\tFatal error\trun error: {what}", file=sys.stderr)
    sys.exit(1)


def option(name: str, default: str = "") -> str:
    words = sys.argv
    return words[words.index(name) + 1] if name in words else default


def database(cache: Path) -> list[dict[str, Any]]:
    if not (cache / "db/metadata.json").exists():
        fatal("init error: DB error: --skip-db-update cannot be specified on the first run")
    try:
        entries: list[dict[str, Any]] = json.loads((cache / "db/trivy.db").read_bytes())
        return entries
    except ValueError:
        fatal("init error: DB error: failed to open db: invalid database")


def known(entries: list[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
    return {tuple(entry["path"]): entry["value"] for entry in entries}


def version(cache: Path) -> dict[str, Any]:
    file = cache / "db/metadata.json"
    return {"Version": "0.74.0", **({"VulnerabilityDB": json.loads(file.read_text())} if file.exists() else {})}


def results(entries: list[dict[str, Any]], looks: str) -> list[dict[str, Any]]:
    details = known(entries)
    found: list[dict[str, Any]] = []
    for kind, bucket, name in (("os-pkgs", "debian 12", "debian"), ("lang-pkgs", "pip::", "python-pkg")):
        holes = [
            {
                "VulnerabilityID": path[2], "PkgName": path[1], "InstalledVersion": "1",
                "FixedVersion": value.get("FixedVersion") or ", ".join(value.get("PatchedVersions", [])),
                "Severity": details["vulnerability", path[2]]["Severity"], "Title": details["vulnerability", path[2]]["Title"],
            }
            for path, value in details.items()
            if len(path) == 3 and path[0].startswith(bucket)
        ]  # fmt: skip
        found.append({"Target": "x", "Class": kind, "Type": name, "Packages": [{}], "Vulnerabilities": holes})
    secret = {
        "RuleID": "private-key",
        "Severity": "HIGH",
        "Title": "Asymmetric Private Key",
        "StartLine": 1,
        "Match": "*",
    }
    return found + ([{"Target": "/app/id_rsa", "Class": "secret", "Secrets": [secret]}] if "secret" in looks else [])


def image(cache: Path) -> dict[str, Any]:
    ignored = option("--ignorefile")
    if ignored and not Path(ignored).exists():
        fatal(f"flag error: unable to convert flags to options: ignore file not found: {ignored}")
    if option("--timeout").endswith("ms") or option("--timeout") == "0s":
        fatal("image scan error: context deadline exceeded")
    archive = option("--input")
    if archive:
        with tarfile.open(archive) as tar:
            if "manifest.json" not in tar.getnames():
                fatal("image scan error: not an archive of an image")
    elif subprocess.run(["docker", "image", "inspect", sys.argv[-1]], capture_output=True, check=False).returncode:
        fatal(f'image scan error: unable to find the specified image "{sys.argv[-1]}" in ["docker" "remote"]')
    if option("--format") == "cyclonedx":
        return {"bomFormat": "CycloneDX", "components": [{"name": "Jinja2"}]}
    if option("--format") == "spdx-json":
        return {"spdxVersion": "SPDX-2.3"}
    system = {"OS": {"Family": "debian", "Name": "12.5"}}
    return {"SchemaVersion": 2, "Metadata": system, "Results": results(database(cache), option("--scanners"))}


def filesystem() -> dict[str, Any]:
    key = {"RuleID": "private-key", "Severity": "HIGH", "Title": "Asymmetric Private Key", "StartLine": 1}
    root = {"ID": "DS-0002", "Severity": "HIGH", "Message": "the last USER should not be root", "Status": "FAIL"}
    return {
        "SchemaVersion": 2,
        "Results": [
            {"Target": "web/key.txt", "Class": "secret", "Secrets": [key]},
            {"Target": "web/Dockerfile", "Class": "config", "Type": "dockerfile", "Misconfigurations": [root]},
        ],
    }


folder = Path(option("--cache-dir", str(Path.home() / ".cache/trivy")))
WAYS = {"version": lambda: version(folder), "image": lambda: image(folder), "filesystem": filesystem}
print(json.dumps(WAYS[sys.argv[1]]()))
