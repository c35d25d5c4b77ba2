"""The gate of a deploy: images that fail the scan do not go live, where the host file says so (`scan: gate: true`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opslib.deploy.options import DeployOptions
from opslib.deploy.seen import Seen
from opslib.errors import Cancelled, HostLost, OpsError, Unhealthy
from opslib.findings import Finding, at_least
from opslib.images.info import images_of
from opslib.run.step import Run, Step
from opslib.scan.images import Subject
from opslib.scan.policy import FAILS
from opslib.scan.take import Options, rules_of, take

Memo = dict[str, Any]
ALL = "all"


def scan_step(seen: Seen, options: DeployOptions) -> Step[Memo]:
    """Scan the images that are about to go live. Nothing of what runs has been touched yet."""

    def look(run: Run) -> Memo | None:
        if not run.target.host.scan.gate:
            return None
        rules_of(_options(run, options))
        return {"images": sorted({one.image for one in seen.project.services.values()})}

    def do(run: Run, memo: Memo) -> str:
        told: dict[str, Any] = {}
        try:
            take(run, _options(run, options), rules_of(_options(run, options)), _subjects(run, seen), told)
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            if ALL not in options.accept:
                raise OpsError(
                    error.what, host=run.host, left="everything that runs",
                    next=error.next or f"inv deploy --host {run.host} --accept {ALL}, to go live unscanned",
                ) from None  # fmt: skip
            run.note(f"goes live unscanned: {error.what}", warning=True)
        finally:
            run.result["scan"] = {key: told.get(key) for key in ("id", "folder", "counts", "failing", "failed")}
        accepted = refuse(told, options.accept, run.host)
        if accepted:
            run.journal["accepted"] = accepted
            run.note(f"goes live with {', '.join(accepted)}", warning=True)
        return f"{told.get('failing', 'unknown')} fail" if accepted else "nothing fails"

    return Step("scan", look, do, show=lambda memo: f"scan {', '.join(memo['images'])}")


def _options(run: Run, options: DeployOptions) -> Options:
    return Options(options.root, options.here, run.target.host.scan)


def _subjects(run: Run, seen: Seen) -> list[Subject]:
    """The pinned images, each once; by the names of the compose files."""
    pins = {service.image: seen.images.pins[service.image] for service in seen.project.services.values()}
    there = images_of(run.target, [pin.tag for pin in pins.values()])
    found: dict[str, Subject] = {}
    for name, service in seen.project.services.items():
        pin = pins[service.image]
        one = found.setdefault(pin.tag, Subject(service.image, (), run.target, there.get(pin.tag)))
        found[pin.tag] = replace(one, services=(*one.services, name))
    return list(found.values())


def refuse(told: Mapping[str, Any], accept: tuple[str, ...], host: str) -> list[str]:
    """What fails the scan and is accepted by name. Raises Unhealthy where something fails it that is not."""
    failing = [one["id"] for one in told.get("vulnerabilities", ()) if one["verdict"] == "fails"]
    failing += [one["rule"] for one in told.get("findings", ()) if at_least([Finding(**one)], FAILS)]
    names = list(dict.fromkeys(failing))
    left = [name for name in names if name not in accept and ALL not in accept]
    if left:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        raise Unhealthy(
            f"the images fail the scan: {shown}", host=host, left="everything that runs",
            next=f"mend them (inv scan.report); or inv deploy --host {host} --accept {','.join(left[:5])}",
        )  # fmt: skip
    return names
