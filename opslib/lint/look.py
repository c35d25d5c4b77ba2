"""`inv lint`: the stacks of a project, judged by opslib's rules on what Docker Compose resolves, and by other linters
on what is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.lint import linters
from opslib.lint.stacks import Stack, written_of
from opslib.lint.staged import staged
from opslib.target.base import Target

if TYPE_CHECKING:
    from opslib.lint.mend import Mending
    from opslib.lint.report import Report


def lint(
    here: Target, root: Path, stacks: Sequence[Stack], *, today: date | None = None, mending: Mending | None = None
) -> Report:
    """Look at the stacks of the project in `root`. `mending` changes their files first, where it can. Raises
    BadSettings where a compose file is not there, and OpsError as `Mending`."""
    written = [(stack, written_of(stack.files)) for stack in stacks]
    if mending is not None:
        from opslib.lint import judged

        seen = judged.judge(here, written)
        if mending([(one.stack, one.hits) for one in seen]):
            return lint(here, root, stacks, today=today)
    with staged([(stack, files) for stack, files in written if not files.bombs], root) as groups:
        asked = [(group, linters.compose_lint(here, group, root)) for group in groups]
        from opslib.lint import judged  # the heavier part of opslib, while compose-lint runs

        docker: list[linters.Asked] = []
        seen = judged.judge(here, written, lambda files: docker.append(linters.hadolint(here, root, files)))
        others = [linters.read_compose_lint(one, group).below(group.below) for group, one in asked]
        others += [linters.read_hadolint(one) for one in docker]
    return judged.report(root, seen, others, today or date.today())
