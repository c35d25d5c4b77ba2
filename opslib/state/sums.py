"""Lists of digests, as `files.sha256` of a release has them."""

from __future__ import annotations

from collections.abc import Mapping


def sums(files: Mapping[str, str]) -> str:
    """The text of `files.sha256`, as `sha256sum -c` reads it: backslashes and newlines in names are escaped."""
    lines = []
    for path, digest in sorted(files.items()):
        escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        lines.append(f"{chr(92) if escaped != path else ''}{digest}  {escaped}\n")
    return "".join(lines)


def parse_sums(text: str) -> dict[str, str]:
    """The other way round."""
    found = {}
    for line in text.split("\n"):
        escaped, digest = line.startswith("\\"), line.lstrip("\\").split("  ", 1)
        if len(digest) == 2:
            path = digest[1]
            if escaped:
                path = path.replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")
            found[path] = digest[0]
    return found
