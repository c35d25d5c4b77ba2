"""From a program that prints data to an artifact on the disk: compressed and digested on the machine that has them.

The whole pipeline runs inside the tools container with the stage's folder mounted, since the engine's own stream is
slower than any database: nothing but the results leaves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from opslib.backup.keys import RECIPIENTS
from opslib.command import Command, bash, command, quote
from opslib.errors import CommandFailed, OpsError
from opslib.target.docker import Env, mount, run_in

if TYPE_CHECKING:
    from opslib.backup.source import Stage
    from opslib.engines.instance import Instance

LONG = 24 * 3600.0  # seconds that moving data may take

DIGEST = """digest() { if type -P openssl >/dev/null; then openssl dgst -sha256 -r; else sha256sum; fi; }
"""
"""A shell function: the SHA-256 of its input and a word. OpenSSL uses the processor's instructions for it, which
Debian 12's sha256sum does not (1.3 GB/s beside 0.27, measured)."""

SEAL = f"""to=(); for r in ${RECIPIENTS}; do to+=(-r "$r"); done
sealed() {{ local n; ((${{#to[@]}})) || return 0
  n=$(head -c 65536 -- "$1" | sed '/^--- /q' | grep -ac '^-> X25519 '); ((n * 2 == ${{#to[@]}})) ||
    {{ echo "it is encrypted to $n keys instead of $((${{#to[@]}} / 2))" >&2; return 1; }}; }}
"""
"""Shell text: age's words for the keys that the environment names, and a function that sees in the header of a file
that it is encrypted to as many."""

KEEP = resources.files("opslib.backup").joinpath("keep.py").read_text(encoding="utf-8")

# Gives its program a pipe of 1 MiB to read from, where that is allowed: with 64 KiB, as usual, a dump waits more often
# for zstd (1 GB of it on two cores took 13.3 s in place of 14.4).
WIDE = """import contextlib, fcntl, os, sys
with contextlib.suppress(OSError):
    fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 1 << 20)
os.execvp(sys.argv[1], sys.argv[1:])"""

# $1 the file, $2 bytes that must stay free, then the program. Every stage's exit code counts; a digest taken aside by
# `tee >(…)` would fail unseen. The limit on the file's size keeps the reserve whatever the estimate was. What the
# program says on descriptor 4 is about the data; its complaints are shown as warnings when it succeeds. zstd says how
# many bytes went in, so that no process has to stand between to count them; where it does not, they are counted again.
# Descriptor 9 is read at once, by `Packing`.
_STAGES = f"""{SEAL}export LC_ALL=C; umask 027; cd /stage || exit 1; exec 9>&1
free=$(df -PB1 . | awk 'NR == 2 {{ print $4 }}'); room=$(( (free - $2) / 1024 ))
[ "$room" -gt 0 ] || {{ echo "only $free bytes are free, and $2 must stay free" >&2; exit 1; }}
file=$1; [ ! -e "$file" ] || {{ echo "two artifacts are called $file" >&2; exit 1; }}
ulimit -f "$room"; shift 2; t=$(mktemp -d); : >"$t/told"
while sleep 1 >/dev/null 9>&-; do stat -c 'bytes %s' -- "$file"; done 2>/dev/null & beat=$!
"$@" 2> >(head -c 65536 >"$t/said"; cat >/dev/null) 4>>"$t/told" |
  python3 -c {quote(WIDE)} zstd -vv -3 -T0 2>"$t/zstd" |SEALING
  python3 -c {quote(KEEP)} "$file" >"$t/sum"
st=("${{PIPESTATUS[@]}}"); kill "$beat"; wait 2>/dev/null
if [ "${{st[*]}}" != 'ZEROS' ]; then cat "$t/said" >&2; grep -a '^zstd: ' "$t/zstd" >&2
  echo "the dump's stages ended with ${{st[*]}}" >&2; exit 1; fi
sealed "$file" || exit 1
raw=$(tr '\\r' '\\n' <"$t/zstd" | sed -n 's/.*( *\\([0-9]*\\) B => .*/\\1/p' | tail -n 1)
[ -n "$raw" ] || COUNTED; [ "${{raw:-0}}" -gt 0 ] || {{ echo 'the dump is empty' >&2; exit 1; }}
chown --reference=. -- "$file" && chmod 0440 -- "$file" || exit 1
sed 's/^/told /' "$t/told"; sed 's/^/said /' "$t/said"
read -r sum <"$t/sum"; printf 'packed %s %s %s\\n' "$(stat -c %s -- "$file")" "$raw" "$sum" """
_PACK = (
    _STAGES.replace("SEALING", "").replace("ZEROS", "0 0 0").replace("COUNTED", 'raw=$(zstd -dcq -- "$file" | wc -c)')
)
_UNKNOWN = "its zstd does not say how much it has compressed, and what is encrypted cannot be counted any more"
_PACK_SEALED = (
    _STAGES.replace("SEALING", ' age "${to[@]}" |').replace("ZEROS", "0 0 0 0")
    .replace("COUNTED", f"{{ echo '{_UNKNOWN}' >&2; exit 1; }}")
)  # fmt: skip


# $1 a process of the container, $2 the container's id, $3 the user, $4 the PATH, then the program. A process id may
# have been given to another program since: its cgroup tells.
_INSIDE = """grep -q "$2" "/proc/$1/cgroup" || { echo 'the container was started anew meanwhile' >&2; exit 1; }
root=/proc/$1/root user=$3 path=$4; shift 4; exec chroot --userspec="$user" "$root" env PATH="$path" "$@" """
_REMOVE = '[ -e "$1" ] || exit 0; rm -f -- "$1/manifest.json" && rm -rf -- "$1" && sync -- "$(dirname -- "$1")"'


@dataclass(frozen=True, slots=True)
class Packed:
    """An artifact's file: its length, the length of what is in it, its digest; what the program told about the data,
    and its warnings."""

    bytes: int
    raw_bytes: int
    sha256: str
    told: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def script(text: str, *args: str) -> list[str]:
    """A bash text of our own as the program, with its arguments."""
    return ["bash", "-c", text, "opslib", *args]


def pack_command(
    stage: Stage, file: str, program: Sequence[str], *, mounts: Sequence[str] = (), options: Sequence[str] = (),
    env: Env | None = None,
) -> Command:  # fmt: skip
    """The tools container that makes `file` of what `program` prints. SELinux and AppArmor would keep it from other
    containers' files."""
    words = ["--security-opt", "label=disable", "--env", "TINI_SUBREAPER=1", *options]
    text = _PACK_SEALED if stage.recipients else _PACK
    return run_in(
        stage.target.host, stage.tools, "bash", "-c", text, "opslib", stage.named(file), str(stage.reserve), *program,
        mounts=[mount("bind", stage.folder, "/stage"), *mounts], options=words, env={**(env or {}), **stage.keys},
        limit=LONG,
    )  # fmt: skip


def beside(at: Instance) -> list[str]:
    """Options of a container that sees the engine's process, and through /proc/PID/root its files.

    It sees the machine's processes, not only the engine's: in the engine's own namespace whatever this container
    leaves behind becomes a child of the server, and PostgreSQL takes a killed child that it does not know for a crash
    and ends every connection (measured with 15).
    """
    words = ["--pid", "host", "--userns", "host", "--cap-add", "SYS_PTRACE", "--security-opt", "apparmor=unconfined"]
    return [*words, "--network", f"container:{at.container}"] if at.network else words


def inside(at: Instance, *argv: str) -> list[str]:
    """A program of the engine's own image, run from a container `beside` it in its root folder, as the data's owner."""
    return script(_INSIDE, str(at.pid), at.id, at.user, str(at.env["PATH"]), *argv)


def embedded_command(stage: Stage, file: str, *words: str) -> Command:
    """The same by Python alone, on this machine, where there is no Docker engine."""
    import sys
    from pathlib import Path

    from opslib.backup import embedded

    program = str(Path(embedded.__file__).resolve())
    path = f"{stage.folder}/{stage.named(file)}"
    return command(sys.executable, program, path, str(stage.reserve), *words, env=stage.keys, limit=LONG)


class Packing:
    """An artifact that is being made, by a command of `pack_command`. `what` is how errors call it."""

    def __init__(self, stage: Stage, what: str, cmd: Command) -> None:
        self._stage, self._what, self._lines = stage, what, stage.target.lines(cmd)
        self._told: list[str] = []
        self._said: list[str] = []
        self._done: list[str] = []

    def begun(self) -> bool:
        """Wait until the program has the state that it copies, which it says by `begun` on descriptor 9; False when it
        has ended instead. Raises OpsError naming `what`, with the program's own words."""
        try:
            for line in self._lines:
                word, _, rest = line.partition(" ")
                if word == "begun":
                    return True
                if word == "bytes":
                    self._stage.moved(self._what, int(rest))
                elif word == "told":
                    self._told.append(rest)
                elif word == "said":
                    self._said.append(rest)
                elif word == "packed":
                    self._done = rest.split()
        except CommandFailed as error:
            raise failed(self._stage, self._what, error) from None
        return False

    def packed(self) -> Packed:
        """Wait until it is there. Raises OpsError as `begun`."""
        while self.begun():
            pass
        if len(self._done) != 3:
            raise OpsError(f"{self._what}: the dump ended without saying how", host=self._stage.target.host.name)
        written, raw, digest = self._done
        self._stage.moved(self._what, int(written))
        return Packed(int(written), int(raw), digest, tuple(self._told), tuple(self._said))

    def close(self) -> None:
        """Break it off; nothing happens when it is over."""
        self._lines.close()


def pack(stage: Stage, what: str, file: str, cmd: Command) -> Packed:
    """Make it, and read what is said of it. Raises OpsError as `Packing.begun`."""
    return Packing(stage, what, cmd).packed()


def failed(stage: Stage, what: str, error: CommandFailed) -> OpsError:
    """The error for an artifact that could not be made."""
    lines = (error.stderr or error.what).strip().splitlines()
    return OpsError(
        f"{what} could not be backed up: " + "\n    ".join(lines[-6:]),
        host=stage.target.host.name,
        left="everything: no backup set was made, nothing was pruned",
        next="mend that and run the backup again",
    )


def remove_command(folder: str) -> Command:
    """Remove a folder of artifacts, its manifest first: without it there is no set."""
    return bash(_REMOVE, folder, limit=600)
