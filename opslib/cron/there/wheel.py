"""opslib as it runs here, as a wheel; and what it needs, in the versions that are here."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from opslib.errors import OpsError


def wheel() -> tuple[str, bytes]:
    """The wheel's name and bytes: of the installed package, or of the source tree that runs. The same code gives the
    same bytes.

    Raises OpsError where opslib was never installed, since nothing says then what it needs.
    """
    found = _installed()
    about = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    package, info = Path(__file__).parents[2], f"opslib-{found.version}.dist-info"
    files = {
        f"opslib/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    files[f"{info}/METADATA"] = about.encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: opslib\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980: a wheel that is made again is the same
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return f"opslib-{found.version}-py3-none-any.whl", packed.getvalue()


def pins(extras: Sequence[str] = ()) -> list[str]:
    """`name==version` of all that opslib needs, with the `extras`, as far as it is installed here; sorted."""
    found: dict[str, str] = {}
    left = list(_needed(_installed(), extras))
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            one = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for other systems, or other versions of Python
            continue
        found[name] = one.version
        left += _needed(one)
    return sorted(f"{name}=={version}" for name, version in found.items())


def _installed() -> metadata.Distribution:
    try:
        return metadata.distribution("opslib")
    except metadata.PackageNotFoundError:
        raise OpsError(
            "opslib is not installed in this Python environment, so nothing says what it needs",
            left="everything", next="pip install it into the project's environment",
        ) from None  # fmt: skip


def _needed(one: metadata.Distribution, extras: Sequence[str] = ()) -> list[str]:
    """The names that it requires, whatever the markers say but those of other extras."""
    names = []
    for text in one.requires or ():
        extra = re.search(r"""extra\s*==\s*["']([^"']+)""", text)
        if extra is None or extra[1] in extras:
            names.append(re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]).lower())
    return names


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
