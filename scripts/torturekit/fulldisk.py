"""The disk of the sets is full after so many bytes, chance says how many."""

from __future__ import annotations

import random
import subprocess

from .ground import Ground
from .kills import AFTER
from .stack import Stack
from .tally import Bad, Row, attempts

SIZE = "160m"
_MOUNT = """set -e; cd {folder}; rm -rf backups; mkdir backups; chown --reference=. backups
mount -t tmpfs -o size={size} torture backups; chown --reference=. backups; chmod 2770 backups"""
# As soon as the set is begun, all but so many bytes are taken by somebody else.
_FILL = """cd {folder}/backups
for i in {{1..3000}}; do for d in .*.part; do [ -d "$d" ] && break 2; done; sleep 0.01; done
read -r _ _ _ free _ < <(df -PB1 . | tail -n 1); n=$((free - {left})); [ $n -le 0 ] || fallocate -l $n filler"""


def run(ground: Ground) -> list[Row]:
    """Every attempt that fails for want of room is followed by one that has room."""
    stacks = ground.both()
    for stack in stacks:
        stack.site.inside(_MOUNT.format(folder=stack.site.folder, size=SIZE))
        stack.inv("backup.all", *AFTER)
        stack.examine()
    whole = int(stacks[0].site.inside(f"du -sb {stacks[0].site.folder}/backups | cut -f1"))

    def full(stack: Stack, number: int, dice: random.Random) -> tuple[bool, int]:
        left = dice.randrange(0, whole + 16384)
        filler = _inside(stack, _FILL.format(folder=stack.site.folder, left=left))
        process = stack.begin("backup.all", *AFTER)
        code = stack.ended(process)
        filler.wait(60)
        if code not in (0, 1):
            raise Bad(f"with {left} bytes left it ended with {code}")
        stack.site.inside(f"rm -f {stack.site.folder}/backups/filler")
        if code == 1 and (named := [name for name in stack.site.sets() if name not in stack.proven]):
            raise Bad(f"it failed, and there is {named}")
        stack.inv("backup.all", *AFTER)
        return code == 1, stack.examine()

    try:
        row = Row("the disk full after a random number of bytes")
        return [attempts(ground.dice, row, stacks, ground.dice.times, full)]
    finally:
        for stack in stacks:
            stack.site.inside(f"umount -l {stack.site.folder}/backups")


def _inside(stack: Stack, script: str) -> subprocess.Popen[bytes]:
    """A shell text on its machine, beside what goes on here."""
    server = stack.site.server
    where = ["docker", "exec", f"opslib-lab-{server['name']}"] if server else []
    return subprocess.Popen([*where, "bash", "-c", script], stdin=subprocess.DEVNULL)
