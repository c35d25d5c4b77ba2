"""`inv host.check` of many hosts beside pyinfra and Ansible, which run the same bash text there.

The hosts are as many sshds on the bench's server, each with a port of its own. What uses a server's own processor for
long, apt and Docker's client, is waited for there in place of being done: 30 servers have 30 machines' processors, and
this is one.
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .measure import BenchError, Rounds, Row, Sizes, call, rounds, say, seconds
from .place import BIN, CHECKOUT, Place

HOSTS, FEW = (1, 10, 30), (1, 3)
FIRST_PORT = 2301
TIMES = 3  # 30 hosts may take as many times as long as one
END = "# end"  # the look's last line
TASKS = "import opslib\n\nns = opslib.namespace()\n"
_SLOW = r"""mkdir -p /opt/bench && cd /opt/bench && docker info --format '{{json .}}' >info && cat >docker <<'E' &&
#!/bin/bash
case $1 in info) sleep 0.15; echo "$(</opt/bench/info)" ;; ps) sleep 0.05 ;; *) sleep 0.05; exit 1 ;; esac
E
printf '#!/bin/bash\nsleep 0.8; echo Listing...\n' >apt && chmod +x docker apt"""
# $@ the ports. Where one listens already, another ends at once.
_SSHD = """for p; do
  /usr/sbin/sshd -p "$p" -o PidFile=none -o "SetEnv=PATH=/opt/bench:/usr/bin:/usr/sbin"
done; :"""
_SSH = """Host {name}
  HostName {address}
  Port {port}
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
"""
# What Ansible needs of Python on the server is more than there is, but for `raw`. Its connections are new in each
# round, like everybody's.
_ANSIBLE = """[defaults]
inventory = {folder}/inventory.ini
forks = {forks}
host_key_checking = True
[ssh_connection]
ssh_args = -F {config} -o ControlMaster=no -o ControlPath=none
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The folder of a project with as many hosts, and what each tool needs to know of them."""

    folder: Path
    count: int
    look: str


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """The same look at 1, 10 and 30 hosts by each, in turn."""
    counts = HOSTS if sizes.runs > 1 else FEW
    programs = _programs(place)
    address = _listen(place, max(counts))
    rows: list[Row] = []
    found: dict[int, Rounds] = {}
    for count in counts:
        fleet = _fleet(place, address, count)
        things = _things(place, programs, fleet)
        say(f"{count} host{'s' * (count > 1)}")
        rounds(1, things)  # whatever has no bytecode yet is compiled
        found[count] = rounds(sizes.runs, things)
        rows += _rows(found[count], count, sizes.runs)
    one, many = found[counts[0]].seconds["opslib"], found[counts[-1]].seconds["opslib"]
    peer = f"one host, {TIMES} times: {seconds(TIMES * statistics.median(one))}"
    ratios = tuple(all_ / first / TIMES for first, all_ in zip(one, many, strict=True))
    last = Row(f"the same, {counts[-1]} hosts", seconds(statistics.median(many)), peer, "< 1", ratios, sizes.runs)
    return [*rows, last]


def _rows(found: Rounds, count: int, runs: int) -> list[Row]:
    text = f"`inv host.check`, {count} host{'s' * (count > 1)}"
    peers = [name for name in found.seconds if name != "opslib"]
    return [
        Row(text if peer == peers[0] else "the same", seconds(found.median("opslib")),
            f"{peer}: {seconds(found.median(peer))}", "< 1", found.ratios("opslib", peer), runs)
        for peer in peers
    ]  # fmt: skip


def _things(place: Place, programs: Path, fleet: Fleet) -> dict[str, Callable[[], float]]:
    folder = fleet.folder
    words = ("host.check", "--host", "@all", "--json", "--fail-on", "loses-data")

    def ours() -> float:
        ran = place.inv(folder, *words, environ={"OPSLIB_SSH_CONFIG": str(folder / "ssh_config")})
        if sum(bool(one["result"]["looked_at"]) for one in json.loads(ran.out)["hosts"]) != fleet.count:
            raise BenchError(f"not all hosts were looked at: {ran.out[-2000:]}")
        return ran.seconds

    def peer(argv: list[str], environ: Mapping[str, str] = {}) -> Callable[[], float]:
        def run() -> float:
            ran = call(["sh", "-c", 'exec "$@" 2>&1', "sh", *argv], cwd=folder, env={**place.environment, **environ})
            if ran.out.count(END) < fleet.count:
                raise BenchError(f"not all hosts were looked at by {argv[0]}: {ran.out[-2000:]}")
            return ran.seconds

        return run

    ansible = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible")}
    version = _versions(programs)
    return {
        "opslib": ours,
        f"pyinfra {version['pyinfra']}": peer(
            [str(programs / "bin/pyinfra"), "-y", "inventory.py", "exec", "--", fleet.look]
        ),
        f"Ansible {version['ansible-core']}": peer(
            [str(programs / "bin/ansible"), "all", "-m", "raw", "-a", fleet.look], ansible
        ),
    }


def _listen(place: Place, count: int) -> str:
    """The address at which the bench's server answers at so many ports."""
    _ = place.server
    container = place.facts["container"]
    call([place.docker, "exec", container, "bash", "-c", _SLOW])
    ports = [str(port) for port in range(FIRST_PORT, FIRST_PORT + count)]
    call([place.docker, "exec", container, "bash", "-c", _SSHD, "bash", *ports])
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return call([place.docker, "inspect", "--format", form, container]).out.split()[0]


def _fleet(place: Place, address: str, count: int) -> Fleet:
    folder = place.path / "checks"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "hosts").mkdir(parents=True)
    (folder / "tasks.py").write_text(TASKS)
    key = Path(place.facts["known_hosts"]).read_text().split(" ", 1)[1]
    config, known, peers = [], [], []
    for number in range(count):
        name, port = f"h{number:02}", FIRST_PORT + number
        facts = {"address": address, "port": port, "user": place.facts["user"], "key": place.facts["key"]}
        config.append(_SSH.format(**facts, name=name, known=folder / "known_hosts"))
        known.append(f"[{address}]:{port} {key}")
        data = {"ssh_hostname": address, "ssh_port": port, "ssh_user": facts["user"], "ssh_key": facts["key"]}
        peers.append((name, {**data, "ssh_known_hosts_file": str(folder / "known_hosts")}))
        (folder / f"hosts/{name}.yml").write_text(f"address: {name}\n")
    (folder / "ssh_config").write_text("".join(config))
    (folder / "known_hosts").write_text("".join(known))
    (folder / "inventory.py").write_text(f"hosts = {peers!r}\n")
    (folder / "inventory.ini").write_text("".join(f"{name}\n" for name, _ in peers))
    (folder / "ansible.cfg").write_text(_ANSIBLE.format(folder=folder, forks=count, config=folder / "ssh_config"))
    return Fleet(folder, count, _look())


@functools.cache
def _look() -> str:
    """The look as a line for a shell, of a kind that no template and no parser of arguments changes."""
    code = (
        "import base64, shlex; from opslib.host.look import look_command; from opslib.settings.model import Host; "
        "(stage,) = look_command(Host(name='x', path='.'), 'x').stages; _, _, text, *words = stage.argv; "
        "print(base64.b64encode(text.encode()).decode(), shlex.join(words))"
    )
    text, words = call([BIN / "python", "-c", code], cwd=CHECKOUT).out.rstrip("\n").split(" ", 1)
    return f'bash -c "$(echo {text} | base64 -d)" {words}'


def _programs(place: Place) -> Path:
    """An environment with the peers."""
    folder = place.path / "checkers"
    if not (folder / "ready").exists():
        say("pyinfra and Ansible from PyPI")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        call([folder / "bin/pip", "install", "-q", "pyinfra", "ansible-core"])
        call([folder / "bin/python", "-m", "compileall", "-q", folder / "lib"])
        (folder / "ready").touch()
    return folder


def _versions(programs: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    names = ("pyinfra", "ansible-core")
    return dict(zip(names, call([programs / "bin/python", "-c", code, *names]).out.split(), strict=True))
