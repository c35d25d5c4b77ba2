"""Whatever bytes stand in a settings file: a Host, or one error for a person."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile, read_env_file
from opslib.settings.load import load_host
from opslib.settings.model import Host
from opslib.settings.select import select_hosts

EXAMPLE = (Path(__file__).parents[3] / "hosts/example.yml").read_bytes()
YAML_PIECES = st.sampled_from(
    [
        "address", "path", "deploy", "backup", "sources", "postgres", "keep", "health", "groups", ": ", ":\n  ", "\n",
        "\n  ", "- ", "{", "}", "[", "]", ", ", "'", '"', "&a ", "*a", "!!str ", "!", "| \n", "? ", "${A}", "${", "yes",
        "5", "~", "#", "\t", "é", "%",
    ]
)  # fmt: skip
ENV_PIECES = st.sampled_from(
    ["A", "OPSLIB_PATH", "OPSLIB_HOST", "=", "'", '"', "\\", "$", "${", "}", ":-", "#", " ", "\n", "x", "\r", "\0", "é"]
)
FAST = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def outcome(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "hosts").mkdir()
        for name, data in files.items():
            (root / name).write_bytes(data)
        for call in (lambda: load_host(root, "prod", {}, {"A": "b"}), lambda: select_hosts(root, "@web", {})):
            said = ""
            try:
                assert isinstance(call(), Host | list)
            except BadSettings as error:
                said = str(error)
            assert len(said.splitlines()) <= 2


@FAST
@given(st.binary(max_size=200))
def test_any_bytes(data):
    outcome({"hosts/prod.yml": data})
    outcome({"hosts/prod.yml": b"", ".env": data})


@FAST
@given(st.lists(YAML_PIECES, max_size=25).map("".join))
def test_anything_like_yaml(text):
    outcome({"hosts/prod.yml": text.encode(), "hosts/_defaults.yml": text[::-1].encode()})


@FAST
@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.one_of(st.binary(max_size=4), YAML_PIECES.map(str.encode)))
def test_a_host_file_with_a_slip(at, cut, piece):
    outcome(
        {
            "hosts/prod.yml": EXAMPLE[:at] + piece + EXAMPLE[at + cut :],
            ".env": b"POSTGRES_PASSWORD=x\nREDIS_PASSWORD=y\n",
        }
    )


@FAST
@given(st.lists(ENV_PIECES, max_size=25).map("".join))
def test_anything_like_an_env_file(text):
    outcome({"hosts/prod.yml": b"path: ${A}\n", ".env": text.encode()})
    try:
        values = read_env_file(text)
        for name in values:
            assert EnvFile(text, ".env").get(name) == values[name]
    except BadSettings:
        pass
