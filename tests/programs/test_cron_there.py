import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.cron.there.server import choose
from opslib.cron.there.wheel import pins, wheel
from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile
from opslib.settings.load import load_host
from opslib.settings.portable import env_text, portable


def test_the_wheel_is_the_same_each_time_and_whole(tmp_path):
    name, data = wheel()
    assert wheel() == (name, data)
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert {"opslib/py.typed", "opslib/target/leash.bash", "opslib/images/tools/Dockerfile"} <= set(names)
    assert not [one for one in names if "__pycache__" in one]
    (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check",
         f"--target={tmp_path / 'lib'}", str(tmp_path / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = subprocess.run(
        [sys.executable, "-c", "import opslib; print(opslib.__file__)"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "lib")}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert Path(found.strip()).parent == tmp_path / "lib/opslib"


def test_the_versions_are_those_of_here():
    names = [pin.partition("==")[0] for pin in pins()]
    assert {"invoke", "paramiko", "msgspec", "cryptography", "cffi"} <= set(names)
    assert not {"pytest", "mypy", "apprise", "opslib"} & set(names)
    assert names == sorted(names)
    assert "apprise" in [pin.partition("==")[0] for pin in pins(["alerts"])]


@pytest.mark.parametrize(
    ("lines", "python", "why"),
    [
        (["python /usr/bin/python3 3 11", "venv"], "/usr/bin/python3", ""),
        (
            ["python /usr/bin/python3 3 9", "venv", "python /opt/my py/python3.12 3 12", "venv"],
            "/opt/my py/python3.12",
            "",
        ),
        (["python /usr/bin/python3 3 9", "venv"], None, "no Python 3.10 or newer"),
        (["python /usr/bin/python3 3 11", "env env-1"], None, r"/usr/bin/python3 \(3.11\) has no module venv"),
        ([], None, "no Python 3.10 or newer"),
    ],
)
def test_a_python_that_will_do(lines, python, why):
    found, version, said = choose(lines)
    assert found == python
    assert (version >= (3, 10)) is (python is not None)
    assert why.replace("\\", "") in said


HOST = """address: deploy@203.0.113.7
path: survey
docker: [sudo, -n, docker]
wait: 90
backup:
  keep: {last: 3}
  sources:
    - redis: {service: redis, password: "${REDIS_PASSWORD}"}
    - files: ["conf/*.yml", 'on', "0755", "a: b #c"]
  schedule: {all: "0 2 * * *", verify: "@weekly"}
  stores: [{url: "s3://bucket/x", access_key: "${KEY}", secret_key: "${KEY}"}, "/mnt/nas"]
"""


def test_the_host_is_the_same_there_but_this_machine(tmp_path):
    (tmp_path / "hosts").mkdir()
    (tmp_path / "compose.yml").write_text("services: {}\n")
    (tmp_path / "hosts/prod.yml").write_text(HOST)
    (tmp_path / ".env").write_text("REDIS_PASSWORD=hunter2\nOPSLIB_KEEP_LAST=5\nOPSLIB_AGE_IDENTITY=AGE-SECRET\nX=1\n")
    (tmp_path / "hosts/_defaults.yml").write_text('backup: {limit: 6h}\nprovision: {sudo_password: "${SUDO}"}\n')
    here = load_host(tmp_path, "prod", environ={"KEY": "it is $secret", "SUDO": "geheim"})
    text, used = portable(tmp_path, here, "/srv/survey", {"KEY": "it is $secret", "SUDO": "geheim"})
    assert "provision" not in text, "and the password of sudo stays here"
    assert used == {"REDIS_PASSWORD": "hunter2", "KEY": "it is $secret", "OPSLIB_KEEP_LAST": "5"}
    assert "hunter2" not in text
    there = tmp_path / "there"
    (there / "hosts").mkdir(parents=True)
    (there / "hosts/prod.yml").write_text(text)
    (there / ".env").write_text(env_text(used))
    found = load_host(there, "prod", environ={})
    assert (found.address, found.path, found.compose) == (None, "/srv/survey", ("compose.yml",))
    assert found.backup == here.backup
    assert (found.docker, found.wait) == (here.docker, here.wait)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_an_env_file_holds_the_values_or_is_refused(values):
    try:
        text = env_text(values)
    except BadSettings:
        return
    file = EnvFile(text, ".env")
    assert {name: file.get(name) for name in values} == values
