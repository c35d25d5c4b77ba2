"""The system itself: base packages, time, swap, security upgrades."""

from __future__ import annotations

from opslib.host.provision.part import LONG, Change, Facts, System, Wanted, missing

BASE = ("ca-certificates", "cron", "curl", "iproute2", "procps", "zstd")
"""What opslib uses on a server where it is there, what the parts call, and what nobody wants to miss at 3 a.m."""
CLOCKS = ("systemd-timesyncd", "chrony", "ntpsec", "ntp", "openntpd")
ASKED = (*BASE, "systemd-timesyncd", "unattended-upgrades")

_INSTALL = 'packages "$@"'


def packages(facts: Facts, wanted: Wanted) -> Change | None:
    """The base packages and those of the host file; and an apt that was broken off is mended."""
    lacking = missing(facts, *BASE, *wanted.settings.packages)
    if lacking:
        return Change(f"install {', '.join(lacking)}", _INSTALL, lacking, limit=LONG)
    if facts.get("apt.broken"):
        return Change("end what apt had left half done", 'apt check || fail "$WHY"', limit=LONG)
    return None


_CLOCK = """[[ ! $1 ]] || packages "$1"
must systemctl enable --now systemd-timesyncd.service
[[ $2 ]] || must timedatectl set-ntp true"""


def clock(facts: Facts, wanted: Wanted) -> Change | None:
    """One program sets the clock by the network; which one is all the same. (A container has the clock of its machine,
    and there systemd-timesyncd does not run: enabled is enough.)"""
    system = System(facts)
    for name in CLOCKS:
        enabled, _, active = facts.get(f"clock.{name}", "").partition(" ")
        if enabled in ("enabled", "alias") and (active == "active" or system.container):
            return None
    package = missing(facts, "systemd-timesyncd")
    what = "set the clock by the network: systemd-timesyncd"
    return Change(what, _CLOCK, (*(package or ("",)), "yes" if system.container else ""), limit=LONG)


_SWAP = """f=/opslib.swap
grep -q "^$f " /proc/swaps || {
  rm -f -- "$f"
  fallocate -l "$1" "$f" 2>/dev/null || dd if=/dev/zero of="$f" bs=1M count=$(($1 / 1048576)) status=none ||
    { rm -f -- "$f"; fail "there is no room for a swap file of $1 bytes"; }
  chmod 600 "$f"
  must mkswap "$f"
  must swapon "$f"
}
grep -q "^$f " /etc/fstab 2>/dev/null || {
  now=$([[ ! -e /etc/fstab ]] || cat /etc/fstab) || fail "/etc/fstab cannot be read"
  printf '%s\\n' ${now:+"$now"} "$f none swap sw 0 0" | write /etc/fstab 644
}"""
_MOST = 2 << 30
_SIMPLE = ("ext2/ext3", "ext4", "xfs")  # where a plain file may be swap


def swap(facts: Facts, wanted: Wanted) -> Change | None:
    """A swap file, where there is no swap at all. None of a container's own, and none where a plain file cannot be swap
    or would take more than a quarter of the free disk."""
    ours = facts.get("swap.used") == "/opslib.swap"
    if System(facts).container or (facts.get("swap.used") and not (ours and not facts.get("swap.fstab"))):
        return None
    if facts.get("swap.filesystem") not in _SIMPLE:
        return None
    memory, free = (int(facts.get(key) or 0) for key in ("swap.memory", "swap.free"))
    size = wanted.settings.swap
    if size is None:
        size = min(memory * 1024, _MOST, free // 4)
    size -= size % (1 << 20)
    if size < 64 << 20:
        return None
    return Change(f"a swap file of {size / 1e9:.1f} GB, /opslib.swap", _SWAP, (str(size),), limit=600)


_UPGRADES = """// Written by inv host.provision: security upgrades by themselves.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""
_UPDATES = """[[ ! $1 ]] || packages "$1"
write /etc/apt/apt.conf.d/52opslib-upgrades 644
must systemctl enable --now apt-daily.timer apt-daily-upgrade.timer"""


def updates(facts: Facts, wanted: Wanted) -> Change | None:
    """Security upgrades once a day by themselves, as the distribution's own settings for unattended-upgrades say."""
    package = missing(facts, "unattended-upgrades")
    on = all(facts.get(key) not in (None, "", "0") for key in ("updates.lists", "updates.upgrade"))
    if not package and on and facts.get("updates.timers", "").split() == ["enabled", "enabled", "active", "active"]:
        return None
    return Change("security upgrades by themselves, once a day: unattended-upgrades", _UPDATES, package or ("",),
                  _UPGRADES.encode(), limit=LONG)  # fmt: skip
