"""What tests of stores share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.places import Clouds


@pytest.fixture(scope="session")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """The emulators of Azure and Google."""
    started = Clouds(tmp_path_factory.mktemp("clouds"))
    yield started
    started.stop()
