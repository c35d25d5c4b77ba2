"""The user whom all other tasks log in as, and the project's folder."""

from __future__ import annotations

import re

from opslib.errors import OpsError
from opslib.host.provision.part import Change, Facts, Wanted, content

_KEY = re.compile(r"(?:^|\s)((?:ssh-|ecdsa-|sk-)\S+)\s+([A-Za-z0-9+/=]{16,})")
_PLAIN = re.compile(r"(?:ssh-|ecdsa-|sk-)\S+\s+[A-Za-z0-9+/=]{16,}")

# $1 the user; lines for authorized_keys on standard input. `*`: no password, and yet no locked account, which sshd
# would refuse where it does without PAM.
_USER = """user=$1
getent group docker >/dev/null || must groupadd --system docker
getent passwd -- "$user" >/dev/null || must useradd -m -s /bin/bash -p '*' -- "$user"
[[ $user == root ]] || must usermod -aG docker -- "$user"
home=$(getent passwd -- "$user" | cut -d: -f6); group=$(id -gn -- "$user")
must install -d -m 700 -o "$user" -g "$group" "$home/.ssh"
keys=$home/.ssh/authorized_keys
{ [[ ! -s $keys ]] || { cat -- "$keys"; [[ ! $(tail -c 1 -- "$keys") ]] || echo; }; cat; } >"$keys.opslib" &&
  chmod 600 "$keys.opslib" && chown "$user:$group" "$keys.opslib" && sync "$keys.opslib" &&
  mv -fT -- "$keys.opslib" "$keys" || fail "the keys of $user cannot be written\""""


def user(facts: Facts, wanted: Wanted) -> Change | None:
    """The user is there, in the group docker, and the wanted keys let it in; further keys stay."""
    name, said = wanted.user, []
    new = "user.home" not in facts
    lines = wanted.keys or _those_of_login(facts, wanted)
    there = [line for line in (content(facts, "user.keys") or "").splitlines() if not line.lstrip().startswith("#")]
    held = {match[2] for line in there if (match := _KEY.search(line))}
    lacking = [line for line in lines if (match := _KEY.search(line)) and match[2] not in held]
    if not lines and not held:
        raise OpsError(
            f"no key would let {name} in: none lets {wanted.login} in, and the host file names none", left="everything",
            next="`provision: {keys: [~/.ssh/id_ed25519.pub]}` in the host file",
        )  # fmt: skip
    if new:
        said.append(f"the user {name}, without a password")
    if name != "root" and "docker" not in facts.get("user.groups", "").split():
        said.append(f"{'in' if new else f'{name} into'} the group docker")
    if lacking:
        said.append(f"let in by {len(lacking)} key{'s' if len(lacking) > 1 else ''}")
    elif facts.get("user.ssh") not in _sound(name):
        said.append("its keys readable by itself alone")
    data = "".join(f"{line}\n" for line in lacking).encode()
    return Change(", ".join(said), _USER, (name,), data) if said else None


def _sound(name: str) -> tuple[str, ...]:
    """How the look shows owner and mode of `.ssh` and of the file in it, where sshd takes them."""
    return tuple(f"{name} {folder} {name} {file}" for folder in ("700", "755", "750") for file in ("600", "640", "644"))


def _those_of_login(facts: Facts, wanted: Wanted) -> tuple[str, ...]:
    """The plain keys that let whoever provisions in: not those that are bound to a command."""
    if wanted.user == wanted.login:
        return ()
    lines = (content(facts, "login.keys") or "").splitlines()
    return tuple(line.strip() for line in lines if _PLAIN.match(line.strip()))


# $1 the user, $2 the folder. What is in it stays as it is, but for what opslib keeps, which the user has to write.
_FOLDER = """user=$1 group=$(id -gn -- "$1") at=
home=$(getent passwd -- "$user" | cut -d: -f6)
if [[ $2 == "$home"/* ]]; then # whatever is below the home is the user's
  at=$home; IFS=/ read -r -a names <<<"${2#"$home"/}"
  for name in "${names[@]}"; do at=$at/$name; [[ -d $at ]] || must install -d -o "$user" -g "$group" -- "$at"; done
fi
# `install -d` alone would open a folder that was closed to others.
if [[ -d $2 ]]; then must chown -- "$user:$group" "$2"; else must install -d -o "$user" -g "$group" -- "$2"; fi
[[ ! -d $2/.opslib ]] || must chown -R -- "$user:$group" "$2/.opslib\""""


def folder(facts: Facts, wanted: Wanted) -> Change | None:
    """The project's folder is there and the user's."""
    path = facts["folder.path"]
    owner, _, kind = facts.get("folder.is", "").partition(" ")
    state = facts.get("folder.state") or wanted.user
    if kind and kind != "directory":
        raise OpsError(f"{path} is no folder, but a {kind}", left="everything", next="another `path:` in the host file")
    if owner == wanted.user == state:
        return None
    wrong = path if owner != wanted.user else f"{path}/.opslib"
    return Change(f"{wrong} is to be {wanted.user}'s" if kind else f"the folder {path}", _FOLDER, (wanted.user, path))
