"""The words that grype is called with. Its settings without an option are in `Scanner.env`."""

from __future__ import annotations

from opslib.scan.trivy import Bill

_FORMS: dict[Bill, str] = {"cyclonedx": "cyclonedx-json"}


def image(ref: str, *, known: bool, archive: str = "", form: Bill | None = None) -> list[str]:
    """A report of an image of the engine there (`known`), of a registry, or of an archive."""
    source = f"docker-archive:{archive}" if archive else f"{'docker' if known else 'registry'}:{ref}"
    return [source, "--output", _FORMS[form] if form else "json", "--quiet"]


def forms() -> list[Bill]:
    """The bills of materials that it writes."""
    return list(_FORMS)
