"""A host file that is written from what was found says what was found."""

from __future__ import annotations

import pytest

from opslib.compose.recognise import Found
from opslib.host.describe import text
from opslib.settings.load import load_host
from opslib.settings.model import Host
from opslib.settings.units import Address


@pytest.mark.parametrize(
    "name", ["survey", "my-app_2", "on", "no", "null", "true", "1e3", "0x1f", "12", "1_0", "0b1", "2024-01-01"]
)
def test_a_projects_name_is_read_as_it_is(tmp_path, name):
    host = Host(name="prod", path="x", address=Address("203.0.113.7", "deploy", 22))
    (tmp_path / "hosts").mkdir()
    found = Found(name, frozenset({f"/srv/{name}"}), frozenset(), True)
    (tmp_path / "hosts/prod.yml").write_text(text(host, "Debian", ("docker",), found))
    read = load_host(tmp_path, "prod", {})
    assert (read.project, read.path, str(read.address)) == (name, f"/srv/{name}", str(host.address))
