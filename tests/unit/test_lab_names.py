"""What the lab's tests, the examples, the demo and the benches call an image is what the lab calls it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("tests/lab/**/*.py", "examples/*/docker-*.yml", "scripts/demokit/*.py", "scripts/benchkit/*.py")


def test_images_have_the_lab_s_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has an older lab's images, too, would not notice a tag that the lab has given up."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from labkit.images import IMAGES

    there = {f"{image.name}:{image.tag}" for image in IMAGES}
    name = re.compile(rf"(?<![\w-])({'|'.join(image.name for image in IMAGES)}):(v?\d[\w.-]*|[a-z]+-slim)")
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for pattern in PLACES
        for path in sorted(ROOT.glob(pattern))
        for found in name.finditer(path.read_text())
        if found[0] not in there
    ]
    assert not wrong
