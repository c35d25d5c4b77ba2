"""What the parts of a provisioning run on the machine, run here, on files of its own."""

from __future__ import annotations

import subprocess

import pytest

from opslib.host.provision.look import text
from opslib.host.provision.parts import system


@pytest.fixture
def machine(tmp_path):
    """Runs a part's text where all that it changes is below a folder: its `/` is that. `tools`: programs that a test
    does without."""

    def run(script, *args, data=b"", tools=""):
        for name in ("etc/docker", "var/log", "var/lib/opslib", "proc", "run/lock", "usr/local/lib/opslib", "tmp"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        body = f"{text('lib.bash')}\n{tools}\n( {script}\n) || exit\n"
        for name in ("/etc/", "/var/", "/proc/", "/run/lock", "/usr/local/lib/opslib"):
            body = body.replace(name, f"{tmp_path}{name}")
        found = subprocess.run(
            ["bash", "-c", f"APT_WAIT=0\n{body}", "bash", *args], input=data, capture_output=True, check=False
        )
        return found.returncode, found.stderr.decode()

    return run


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_line_for_swap_is_a_line_of_its_own(machine, tmp_path, end):
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc").mkdir()
    (tmp_path / "etc/fstab").write_text(f"# by hand\nUUID=1 / ext4 defaults 0 1{end}")
    (tmp_path / "proc/swaps").write_text("Filename Type\n/opslib.swap file 1 0 -2\n")
    for _ in range(2):
        assert machine(system._SWAP, "67108864") == (0, "")
        lines = (tmp_path / "etc/fstab").read_text().splitlines()
        assert lines == ["# by hand", "UUID=1 / ext4 defaults 0 1", "/opslib.swap none swap sw 0 0"]
