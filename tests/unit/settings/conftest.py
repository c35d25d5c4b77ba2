"""A project's folder to load hosts from."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from opslib.errors import BadSettings
from opslib.settings.load import load_host
from opslib.settings.model import Host


class Project:
    """A folder with the files that a test writes into it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def host(
        self, text: str | bytes | None = None, name: str = "prod", environ: Mapping[str, str] = {}, **flags: str
    ) -> Host:
        """The host whose file holds `text`, if given."""
        if text is not None:
            self.write(f"hosts/{name}.yml", text)
        return load_host(self.root, name, {key.replace("__", "."): value for key, value in flags.items()}, environ)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "survey"
    root.mkdir()
    (root / "tasks.py").touch()
    return Project(root)


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call it and return the error's text, which must be one or two short lines, exit code 2."""

    def call(function: Callable[..., object], *args: object, **options: object) -> str:
        with pytest.raises(BadSettings) as error:
            function(*args, **options)
        assert error.value.code == 2
        assert len(str(error.value).splitlines()) <= 2
        return str(error.value)

    return call
