"""A scan as SARIF 2.1.0 (OASIS), which code hosts and editors show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "unknown": "note"}
# GitHub ranks by this number, between 0 and 10; of a severity the middle.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "unknown": "0.0"}
_COSTS = {"loses data": "error", "breaks": "error", "exposes": "error", "hardening": "warning"}


def sarif(scan: Mapping[str, Any]) -> dict[str, Any]:
    """The log of one run. What is ignored is in it, suppressed, with its reason."""
    rules: dict[str, dict[str, Any]] = {}
    results = [*_vulnerabilities(scan, rules), *_findings(scan, rules)]
    places = {name: at for at, name in enumerate(rules)}
    for one in results:
        one["ruleIndex"] = places[one["ruleId"]]
    scanner = scan["scanner"]
    driver = {"name": scanner["name"], "version": scanner["version"] or "unknown", "rules": list(rules.values())}
    failed = [one for one in scan["images"] if one["error"]]
    invocation = {
        "executionSuccessful": not failed,
        "endTimeUtc": scan["at"],
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": f"{one['image']} could not be scanned: {one['error']}"}}
            for one in failed
        ],
    }
    run = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _vulnerabilities(scan: Mapping[str, Any], rules: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in scan["vulnerabilities"]:
        rules.setdefault(one["id"], _rule(one["id"], one["title"], one["url"], _SCORES[one["severity"]]))
        fix = f"fixed in {one['fixed']}" if one["fixed"] else "no fix yet"
        for image in one["images"]:
            where = one["path"] or one["package"]
            found: dict[str, Any] = {
                "ruleId": one["id"],
                "level": _LEVELS[one["severity"]],
                "message": {"text": f"{image}: {one['package']} {one['installed']} has {one['id']}, {fix}"},
                "locations": [_location(where or image, 0, image)],
                "partialFingerprints": {"opslib/v1": f"{image.split('@')[0]}/{one['package']}/{one['id']}"},
            }
            if one["verdict"] == "ignored":
                found["suppressions"] = [{"kind": "external", "justification": one["reason"]}]
            yield found


def _findings(scan: Mapping[str, Any], rules: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in scan["findings"]:
        rules.setdefault(one["rule"], _rule(one["rule"], "", "", "8.0" if one["cost"] != "hardening" else "4.0"))
        yield {
            "ruleId": one["rule"],
            "level": _COSTS[one["cost"]],
            "message": {"text": f"{one['what']}. {one['fix']}".strip()},
            "locations": [_location(one["file"] or "compose.yml", one["line"])],
        }


def _rule(name: str, title: str, url: str, score: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": title or name},
        "properties": {"security-severity": score, "tags": ["security"]},
    }
    return {**rule, "helpUri": url} if url else rule


def _location(path: str, line: int, image: str = "") -> dict[str, Any]:
    from urllib.parse import quote

    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(path.lstrip("/")) or "image"}}
    if line:
        physical["region"] = {"startLine": line}
    place: dict[str, Any] = {"physicalLocation": physical}
    return {**place, "message": {"text": image}} if image else place
