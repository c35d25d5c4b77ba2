"""Looking at the folders that services would lose sight of, and refusing it in words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from opslib.command import Command, bash
from opslib.compose.project import Project
from opslib.compose.stack import SeenVolume, Stack
from opslib.deploy.losses import Folder, Held, Loss, called, lost
from opslib.errors import OpsError
from opslib.run.step import Run
from opslib.target.base import Target
from opslib.target.transfer import stream_out

# For each path: where it really is, what it is, the number of names in it that follow, and those (200 at most).
_FOLDERS = """shopt -s nullglob dotglob
for p in "$@"; do
  printf '%s\\0' "$(realpath -m -- "$p")"; names=()
  if [[ -f $p ]]; then what=file
  elif [[ ! -d $p ]]; then what=none
  elif [[ ! -r $p || ! -x $p ]]; then what=closed
  else what=folder names=("$p"/*); names=("${names[@]:0:200}"); fi
  printf '%s\\0%s\\0' "$what" "${#names[@]}"
  [[ ${#names[@]} -eq 0 ]] || printf '%s\\0' "${names[@]##*/}"
done"""


def folders_command(paths: Iterable[str]) -> Command:
    """The one round trip of `look_at`."""
    return bash(_FOLDERS, *paths, limit=60)


def look_at(target: Target, paths: Iterable[str]) -> dict[str, Folder]:
    """What these paths of the machine are."""
    wanted = list(dict.fromkeys(paths))
    out = bytearray()
    if wanted:
        stream_out(target, folders_command(wanted), out.extend)
    words = iter(os.fsdecode(word) for word in bytes(out).split(b"\0")[:-1])
    return {path: _folder(words) for path in wanted}


def _folder(words: Iterator[str]) -> Folder:
    real, what, count = next(words), next(words), int(next(words))
    return Folder(real, what, tuple(next(words) for _ in range(count)))  # type: ignore[arg-type]


def losses_of(target: Target, held: Iterable[Held], project: Project, stack: Stack, files: Iterable[str]) -> list[Loss]:
    """What of `held` the services would no longer see; looks at the machine only where a folder is in doubt. `files`
    are the paths that a release wrote. What the host file leaves out of backups is no data."""
    volumes = {one.name: one for one in stack.all_volumes}
    left_out = set(target.host.backup.exclude)
    wanted = [one for one in (_original(one, target) for one in held) if not called(one, volumes) & left_out]
    wrote = [f"{target.root}/{path}" for path in files]
    found = lost(wanted, project, volumes, {}, wrote)
    paths = [one.held.name for one in found if one.held.kind == "bind"]
    for one in found:
        service = project.services.get(one.held.service)
        paths += [mount.source for mount in service.mounts if mount.type == "bind"] if service else []
    return lost(wanted, project, volumes, look_at(target, paths), wrote) if paths else found


def _original(one: Held, target: Target) -> Held:
    """After a rollback in the project's own folder, services mount a release's copies of what has changed since."""
    copies = f"{target.state}/releases/"
    if one.kind == "volume" or not one.name.startswith(copies):
        return one
    path = one.name[len(copies) :].partition("/compose/")[2]
    return replace(one, name=f"{target.root}/{path}")


def refuse(
    found: Iterable[Loss], given_up: Iterable[str], volumes: Iterable[SeenVolume], host: str, was: str | None = None
) -> None:
    """Raises OpsError where data would be lost sight of that nobody has given up by name. `was`: the project's name at
    the last release, where it is another one now."""
    known = {one.name: one for one in volumes}
    serious = [one for one in found if not one.meant and not called(one.held, known) & set(given_up)]
    if not serious:
        return
    keep = "mount them as before (`name:` below a volume's key keeps its real name), or copy them over first"
    if was:
        keep = f"`project: {was}` in the host file goes on with them"
    names = ",".join(dict.fromkeys(one.held.name for one in serious))
    raise OpsError(
        f"{'; '.join(map(said, serious))}: these data would be lost sight of",
        host=host,
        left="everything",
        next=f"{keep}; where nobody needs them, inv deploy --host {host} --orphan {names} (they stay on the disk)",
    )


def refuse_gone(found: Iterable[Held], given_up: Iterable[str], host: str) -> None:
    """Raises OpsError where services would begin with empty volumes because somebody has removed theirs."""
    missing = [one for one in found if not called(one, {}) & set(given_up)]
    if not missing:
        return
    words = "; ".join(f"volume {one.name} of {one.service} (at {one.at})" for one in missing)
    names = ",".join(dict.fromkeys(one.name for one in missing))
    raise OpsError(
        f"the last release had data that are gone: {words}. The services would begin with empty ones",
        host=host,
        left="everything",
        next=f"inv restore --bare --file latest --host {host} where everything is gone; or inv deploy --host {host} "
        f"--orphan {names} begins with none, and inv restore brings back what a backup has",
    )


def said(loss: Loss) -> str:
    """It in words."""
    one = loss.held
    what = one.name if one.kind == "bind" else f"volume {one.name}"
    return f"{loss.instead} {what} (now at {one.at} of {one.service})"


def tell(run: Run, found: Iterable[Loss]) -> None:
    """Say which data stay where they are and are no longer seen."""
    for one in found:
        run.note(f"{said(one)}: these data stay where they are, and are no longer seen", warning=True)
