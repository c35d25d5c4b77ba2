"""`inv scan.diff`: what the last scan has that an earlier one had not, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings, Unhealthy
from opslib.run.step import Run
from opslib.scan import kept, released
from opslib.state import releases

_Key = tuple[str, str, str]


def diff(run: Run, root: Path, since: str | None) -> None:
    """Compare the newest scan of the whole stack with that of the live release, or with the scan `since`. The result
    has `scan`, `since` (their ids), `new`, `fixed`, `still`. Raises Unhealthy where something new fails the scan,
    BadSettings where there is nothing to compare."""
    now = kept.load(kept.newest(root, run.host))
    before = kept.load(kept.named(root, run.host, since)) if since is not None else _of_release(run)
    found = compare(of_wanted(now), before["vulnerabilities"])
    run.result.update(scan=now["id"], at=now["at"], since=since or f"release {before['release']}", **found)
    failing = [one for one in found["new"] if one["verdict"] == "fails"]
    if failing:
        names = ", ".join(dict.fromkeys(one["id"] for one in failing))
        raise Unhealthy(f"new since {run.result['since']}, and failing: {names}", host=run.host)


def _of_release(run: Run) -> dict[str, Any]:
    release = releases.current(releases.read(run.target))
    if release is None:
        raise BadSettings(
            "nothing has been released yet, so there is nothing to compare with", host=run.host,
            next="inv deploy; or compare with an earlier scan: inv scan.diff --since ID",
        )  # fmt: skip
    return {**released.scan_of(run.target, release), "release": release.id}


def of_wanted(scan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is in the images that the compose files want; others only run still."""
    names = {one["image"] for one in scan["images"] if one["wanted"]}
    return [one for one in scan["vulnerabilities"] if names.intersection(one["images"])]


def compare(now: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """`new`, `fixed` and `still` by vulnerability and package: an update that mends nothing is still the same."""
    mine, theirs = _by_key(now), _by_key(before)
    return {
        "new": [one for key, one in mine.items() if key not in theirs],
        "fixed": [one for key, one in theirs.items() if key not in mine],
        "still": [one for key, one in mine.items() if key in theirs],
    }


def _by_key(found: Iterable[Mapping[str, Any]]) -> dict[_Key, dict[str, Any]]:
    by_key: dict[_Key, dict[str, Any]] = {}
    for one in found:
        by_key.setdefault((one["id"], one["package"], one["kind"]), dict(one))
    return by_key
