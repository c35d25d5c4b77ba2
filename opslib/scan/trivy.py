"""The words that Trivy is called with. It reports everything; what fails is decided here, from its report."""

from __future__ import annotations

from typing import Literal

from opslib.scan.scanner import Scanner
from opslib.settings.scanning import SEVERITIES, Scan

Bill = Literal["cyclonedx", "spdx-json"]
BILLS: dict[Bill, str] = {"cyclonedx": "cdx.json", "spdx-json": "spdx.json"}
"""The forms of a bill of materials (SBOM), and how their files' names end."""

_OFFLINE = ("--skip-db-update", "--skip-java-db-update", "--offline-scan")
# The environment is empty, and no file of the folder is read: nothing but these words says what is reported.
_ALL = ("--severity", ",".join(SEVERITIES).upper(), "--exit-code", "0", "--ignorefile", "/dev/null")


def image(scanner: Scanner, ref: str, *, archive: str = "") -> list[str]:
    """A report of an image of the engine there, or of one that `docker image save` wrote into `archive`."""
    settings = scanner.settings
    looks = ",".join(settings.scanners)
    config = ["--image-config-scanners", "misconfig"] if "misconfig" in looks else []
    return [
        "image", "--format", "json", "--list-all-pkgs", "--scanners", looks, *config, *_ALL,
        *_common(scanner), *_checks(settings), *_which(ref, archive),
    ]  # fmt: skip


def bill(scanner: Scanner, form: Bill, ref: str, *, archive: str = "") -> list[str]:
    """The list of all that an image is made of. What was read of its layers for the report is not read again."""
    return ["image", "--format", form, *_common(scanner), *_which(ref, archive)]


def files(scanner: Scanner, folder: str) -> list[str]:
    """A report of Dockerfiles, Kubernetes, Terraform and the like in a folder, and of secrets in any file."""
    return [
        "filesystem", "--format", "json", "--scanners", "misconfig,secret", *_ALL, *_place(scanner),
        *_checks(scanner.settings), folder,
    ]  # fmt: skip


def _which(ref: str, archive: str) -> list[str]:
    return ["--input", archive] if archive else ["--image-src", "docker,remote", ref]


def _common(scanner: Scanner) -> list[str]:
    server = scanner.settings.server
    return [
        *_place(scanner), *(["--server", server] if server else []),
        *(_OFFLINE if scanner.settings.offline and not server else ()),
    ]  # fmt: skip


def _place(scanner: Scanner) -> list[str]:
    cache = ["--cache-dir", scanner.cache] if scanner.cache else []
    return [*cache, "--no-progress", "--timeout", f"{scanner.settings.timeout:.0f}s"]


def _checks(settings: Scan) -> list[str]:
    """Without a network the checks that Trivy brings are used."""
    return ["--skip-check-update"] if settings.offline else []
