"""The images of all stacks, looked at once: those whose names are written while Compose still resolves the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opslib.lint.facts import Images, look_at_images
from opslib.lint.resolve import project_name
from opslib.lint.stacks import Files
from opslib.lint.written import Written
from opslib.run.later import Later
from opslib.target.base import Target


class Pictured:
    """What this machine's engine has of images. It is asked about `names` at once, without being waited for."""

    def __init__(self, here: Target, names: Iterable[str]) -> None:
        self._here, self._names = here, set(names)
        self._seen = Later(lambda: look_at_images(here, self._names)) if self._names else None

    def of(self, names: Iterable[str]) -> Images:
        """What it has of these, for which it is asked once more where others are among them."""
        found, arch = self._seen.get() if self._seen else ({}, "")
        if others := set(names) - self._names:
            more, arch_now = look_at_images(self._here, others)
            return {**found, **more}, arch or arch_now
        return found, arch


def written_names(files: Files, written: Written) -> Iterator[str]:
    """The names of images as far as they can be told without Compose: written without variables, or those that it gives
    to what is built."""
    for service in written.services():
        images = written.layers("services", service, "image")
        if not images:
            yield f"{project_name(files, written)}-{service}"
        elif images[0].is_scalar and images[0].text and "$" not in images[0].text:
            yield images[0].text
