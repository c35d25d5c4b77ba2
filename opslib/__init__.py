"""Deploy, back up and restore Docker Compose apps with Invoke and Fabric, on this machine or over SSH.

A project's tasks.py is::

    import opslib

    ns = opslib.namespace()

and whatever the project adds to `ns`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from invoke.collection import Collection

    Hooks = Mapping[str, Callable[..., object] | Sequence[Callable[..., object]]]

__all__ = ["namespace"]


def namespace(*, root: str | os.PathLike[str] | None = None, hooks: Hooks | None = None) -> Collection:
    """All of opslib's tasks, for the project whose tasks.py calls this.

    `root` is the project's folder, which every path is relative to, wherever `inv` is called; default: the folder of
    the calling tasks.py (above it, where the tasks are a package). `hooks` are tasks of the project that `deploy` and
    `rollback` call: `{"before up": drain, "after all": [notify, warm]}`.
    """
    from opslib.tasks import collection

    return collection(os.path.abspath(root) if root is not None else _folder_of(sys._getframe(1).f_globals), hooks)


def _folder_of(module: dict[str, object]) -> str:
    file = module.get("__file__")
    if not isinstance(file, str):  # an interactive session
        return os.getcwd()
    folder, name = os.path.split(os.path.realpath(file))
    return os.path.dirname(folder) if name == "__init__.py" else folder
