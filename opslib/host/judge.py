"""What a look says of the machine itself: system, memory, disks, clock, updates, schedule, what was left. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from opslib.command import quote
from opslib.host.look import ASKS, FREE, PROGRAMS, ROOT, Disk, Folder, Machine
from opslib.host.row import Row, size
from opslib.settings.model import Host

SKEW = 5.0  # seconds that the clocks may differ: ids of backups and releases sort by time
ASTRAY = 60.0  # seconds from which on others no longer believe it: ACME, tokens, TOTP
FULL, TIGHT = 0.05, 0.15  # of a disk, or its inodes, that is still free
SMALL = 4 * 2**30  # bytes of memory from which on a machine may do without swap
STALE = 7 * 86400  # seconds after which a list of packages says nothing of today's fixes
TIME_DAEMONS = {"systemd-timesyn", "chronyd", "ntpd"}  # the kernel keeps 15 characters of a name
CRON_DAEMONS = {"cron", "crond"}
_SUDO = {ROOT: "it is root", FREE: "without a password", ASKS: "asks for a password, or is not allowed"}


def machine(seen: Machine, host: Host, skew: float) -> Iterator[Row]:
    """All of it, in the order in which it is shown. `skew`: seconds that its clock differs from the one here."""
    yield Row("user", f"{seen.user}; groups {', '.join(seen.groups)}")
    yield Row("sudo", _SUDO.get(seen.sudo, "not there"))
    yield Row("system", f"{seen.os.get('PRETTY_NAME', 'unknown')}, {seen.arch}, Linux {seen.kernel}")
    up = f"{seen.up // 3600} h" if seen.up < 2 * 86400 else f"{seen.up // 86400} days"
    yield Row("cpu", f"{seen.cpus} core{'s' * (seen.cpus != 1)}, load {seen.load:g}, up {up}")
    yield _memory(seen)
    yield _swap(seen)
    yield _disks(seen)
    yield _clock(seen, skew)
    yield _programs(seen)
    yield _folder("folder", seen.root, seen.user)
    yield _backups(seen, host)
    yield _updates(seen)
    yield _unattended(seen)
    yield _reboot(seen)
    yield _schedule(seen, host)
    yield _left(seen, host)


def _memory(seen: Machine) -> Row:
    row = Row("memory", f"{size(seen.memory)}, {size(seen.available)} of it available")
    if seen.memory and seen.available < seen.memory * 0.1:
        row = row.wrong("hardening", "less than a tenth of the memory is available: a deploy starts new containers",
                        "docker stats --no-stream, and memory limits in the compose file")  # fmt: skip
    return row


def _swap(seen: Machine) -> Row:
    row = Row("swap", size(seen.swap) if seen.swap else "none")
    if not seen.swap and 0 < seen.memory < SMALL:
        row = row.wrong("hardening", f"no swap beside {size(seen.memory)} of memory: a peak ends the largest process",
                        "sudo fallocate -l 2G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
                        "sudo swapon /swapfile, and a line for it in /etc/fstab")  # fmt: skip
    return row


def _disks(seen: Machine) -> Row:
    row = Row("disks", "; ".join(map(_disk, seen.disks)) or "nothing was seen of them")
    for disk in seen.disks:
        for what, left in (("space", _share(disk.free, disk.size)), ("inodes", _share(disk.free_inodes, disk.inodes))):
            if left < TIGHT:
                said = f"{left:.0%} of the {what} of {disk.mount} is free"
                why = "writing fails soon" if left < FULL else "a deploy brings images, a backup a set"
                row = row.wrong("breaks" if left < FULL else "hardening", f"{said}: {why}",
                                "docker system df, docker image prune; inv backup.prune")  # fmt: skip
    return row


def _disk(disk: Disk) -> str:
    inodes = f", {_share(disk.free_inodes, disk.inodes):.0%} of the inodes" if disk.inodes else ""
    return f"{disk.mount} {size(disk.free)} of {size(disk.size)} free{inodes}"


def _share(part: int, whole: int) -> float:
    """1 where nothing is counted."""
    return part / whole if whole else 1.0


def _clock(seen: Machine, skew: float) -> Row:
    kept, start = seen.daemons & TIME_DAEMONS, "sudo timedatectl set-ntp true"
    who = "; it is that of the machine around this container" if seen.container else "; no program here keeps it right"
    row = Row("clock", f"{f'{skew:.0f} s from' if skew > SKEW else 'agrees with'} the one here{'' if kept else who}")
    if skew > SKEW:
        row = row.wrong("breaks" if skew > ASTRAY else "hardening",
                        f"its clock differs by {skew:.0f} s from the one here: sets and releases sort by time",
                        "set it on the machine around this container" if seen.container else start)  # fmt: skip
    elif not kept and seen.units is not None and not seen.container:
        there = "systemd-timesyncd.service" in seen.units
        row = row.wrong("hardening", "nothing keeps its clock right",
                        start if there else "sudo apt-get install systemd-timesyncd")  # fmt: skip
    return row


def _programs(seen: Machine) -> Row:
    row = Row("programs", f"bash {seen.bash}, {len(PROGRAMS) - len(seen.missing)} of {len(PROGRAMS)} programs")
    if tuple(int(part) for part in seen.bash.split(".")[:2]) < (4, 4):
        row = row.wrong("breaks", f"bash is {seen.bash}, 4.4 or newer is needed", "install a newer bash")
    if seen.missing:
        packages = ", ".join(dict.fromkeys(PROGRAMS[name] for name in seen.missing))
        row = row.wrong("breaks", f"missing: {', '.join(seen.missing)}", f"install {packages}")
    return row


def _folder(name: str, folder: Folder, user: str) -> Row:
    left = f", {size(folder.disk.free)} free" if folder.disk else ""
    row = Row(name, f"{folder.path}{'' if folder.there else ' (made when it is needed)'}{left}")
    if not folder.writable:
        command = "sudo chown" if folder.there else "sudo install -d -o"
        row = row.wrong("breaks", f"user {user} may not write in {folder.nearest}",
                        f"{command} {quote(user)} {quote(folder.path)}")  # fmt: skip
    return row


def _backups(seen: Machine, host: Host) -> Row:
    row, disk = _folder("backups", seen.store, seen.user), seen.store.disk
    reserve = host.backup.reserve.of(disk.size) if disk else 0
    if disk and not row.findings and disk.free <= reserve:
        row = row.wrong(
            "breaks", f"{seen.store.path}: {size(disk.free)} free, and backup.reserve keeps {size(reserve)} of them",
            "free some space, or lower `backup: reserve:`",
        )  # fmt: skip
    return row


def _updates(seen: Machine) -> Row:
    if seen.updates is None:
        return Row("updates", "not known: no apt here")
    if seen.apt_read is None:
        row = Row("updates", "not known: it has no lists of packages")
        return row.wrong(
            "hardening", "without lists of packages nobody knows what is to be mended", "sudo apt-get update"
        )
    age = seen.now - seen.apt_read
    counted = f"{seen.updates} packages could be newer, {seen.security} of them for security"
    row = Row("updates", f"{counted}; lists read {age / 86400:.0f} days ago")
    if seen.security:
        names = ", ".join(seen.security_names) + (" and more" if seen.security > len(seen.security_names) else "")
        row = row.wrong("exposes", f"known vulnerabilities stay open: {names}",
                        "sudo apt-get update && sudo apt-get upgrade")  # fmt: skip
    if age > STALE:
        row = row.wrong("hardening", "its lists of packages are old, so nobody knows what is to be mended",
                        "sudo apt-get update")  # fmt: skip
    return row


def _unattended(seen: Machine) -> Row:
    row = Row("unattended", "security updates come by themselves" if seen.unattended else "no updates by themselves")
    if seen.apt and not seen.unattended:
        packages = "sudo apt-get install unattended-upgrades && sudo dpkg-reconfigure unattended-upgrades"
        row = row.wrong("hardening", "security updates wait for somebody to log in", packages)  # fmt: skip
    if seen.apt_broken:
        row = row.wrong("breaks", "an installation of packages was interrupted: nothing can be installed or mended",
                        "sudo dpkg --configure -a")  # fmt: skip
    return row


def _reboot(seen: Machine) -> Row:
    row = Row("reboot", {"asked": "needed", "kernel": "needed"}.get(seen.reboot, "not needed"))
    if seen.reboot == "asked":
        row = row.wrong("exposes", "what was updated is in force only after a reboot", "sudo reboot, when that suits")
    if seen.reboot == "kernel":
        row = row.wrong("exposes", f"Linux {seen.kernel} runs, and its modules were replaced by another kernel's",
                        "sudo reboot, when that suits")  # fmt: skip
    return row


def _schedule(seen: Machine, host: Host) -> Row:
    """cron and timers; failed units are what else systemd runs."""
    runs = bool(seen.daemons & CRON_DAEMONS)
    timers = {name: state for name, state in (seen.units or {}).items() if name.startswith("opslib-")}
    told = [f"cron {'runs' if runs else 'does not run'}", f"{seen.cron_lines} lines in {seen.user}'s crontab"]
    told += [f"{len(timers)} timers of opslib"] if timers else []
    told += [f"failed: {', '.join(seen.failed)}"] if seen.failed else []
    row = Row("schedule", ", ".join(told))
    if seen.cron_lines and not runs:
        row = row.wrong("breaks", f"{seen.user}'s crontab has tasks, and no cron daemon runs them",
                        "sudo apt-get install cron && sudo systemctl enable --now cron")  # fmt: skip
    for name, state in timers.items():
        if state != "active":
            row = row.wrong("breaks", f"the timer {name} is {state}: what it is for is not done",
                            f"inv cron.install --host {host.name} --there")  # fmt: skip
    for name in seen.failed:
        row = row.wrong("hardening", f"systemd's {name} has failed",
                        f"systemctl status {name} there; systemctl reset-failed, if it does not matter")  # fmt: skip
    return row


def _left(seen: Machine, host: Host) -> Row:
    """Locks, and runs that did not come to their end."""
    held = {path: who for path, who in seen.held.items() if not path.endswith("/.opslib/lock")}
    working = len(seen.held) > len(held)
    told = [f"apt is held by {who}" for who in dict.fromkeys(held.values())]
    told += [f"a run holds the lock: {seen.holder or 'it does not say who'}"] if working else []
    row = Row("locks", "; ".join(told) or "none is held")
    if seen.log == "begun" and not working:
        row = row.wrong("breaks", "an earlier run did not come to its end: services may be stopped, or half changed",
                        f"inv deploy --host {host.name}: the next run finishes or undoes it first")  # fmt: skip
    return row
