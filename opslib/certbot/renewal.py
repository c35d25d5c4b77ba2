"""Renewal without anybody there: the host's own timer where it has one, else one line in the login user's crontab.

What is written is plain bash in the project's `.opslib/certbot`: `renew`, which cron calls, and `reload`, by which
nginx takes what is new. certbot calls that too after a renewal, by a hook in its own folder, whoever called it.
"""

from __future__ import annotations

import shlex
import zlib
from typing import TYPE_CHECKING, Any

from opslib.certbot import around
from opslib.certbot.around import MARK
from opslib.certbot.run import program, shell
from opslib.command import bash
from opslib.compose.recognise import recognise_project
from opslib.proxy.place import shell as proxy_shell
from opslib.proxy.place import webroot_of
from opslib.run.step import Run, Step
from opslib.target.transfer import put_bytes, read_file

if TYPE_CHECKING:
    from opslib.settings.model import Host

Memo = dict[str, Any]
_HEAD = "#!/usr/bin/env bash\n# Written by opslib (inv certbot.issue); changes are lost.\n"
_HOOK = """umask 022; mkdir -p "$1/renewal-hooks/deploy"; f=$1/renewal-hooks/deploy/$2
cat >"$f.part" && chmod 755 "$f.part" && mv -f "$f.part" "$f" """
# The line of ours in place of the one before, everything else byte for byte. $1 how it ends, $2 the line or "". From a
# whole file and not through a pipe: a crontab that could not be read, or half of one, must never replace it.
_CRON = """export LC_ALL=C; d=$(mktemp -d) || exit 1; trap 'rm -rf -- "$d"' EXIT
crontab -l >"$d/old" 2>"$d/said" || grep -qi 'no crontab for\\|no such file' "$d/said" || { cat "$d/said" >&2; exit 1; }
{ while IFS= read -r l || [[ $l ]]; do [[ $l == *"$1" ]] || printf '%s\\n' "$l"; done <"$d/old"
  [[ -z $2 ]] || printf '%s\\n' "$2"; } >"$d/new" || exit 1
cmp -s "$d/old" "$d/new" || crontab "$d/new" """


def step() -> Step[Memo]:
    """Have exactly one renew."""

    def look(run: Run) -> Memo | None:
        host, project = run.target.host, recognise_project(run.target, run.target.host)
        seen = around.look(run.target, project)
        folder = f"{run.target.state}/certbot"
        texts = {"reload": reload_text(host, run.target.root, project),
                 "renew": renew_text(host, run.target.root, folder)}  # fmt: skip
        line = cron_line(folder, project)
        others = seen.others()
        mine = [one for one in seen.crontab or () if one.endswith(f"{MARK}{project}")]
        run.result["renewed_by"] = others or ([] if seen.crontab is None else ["cron, by opslib's line"])
        wanted = [] if others or seen.crontab is None else [line]
        hook = hook_text(folder)
        now = {name: (read_file(run.target, f"{folder}/{name}") or b"").decode() for name in texts}
        if not run.result["renewed_by"]:
            run.note("nothing renews the certificates by itself: there is no cron on the host. Call inv certbot.renew "
                     f"--host {run.host} at least every week, as by this machine's crontab", warning=True)  # fmt: skip
        if mine == wanted and now == texts:
            return None
        return {"project": project, "folder": folder, "texts": texts, "old": mine, "line": (wanted or [""])[0],
                "hook": hook, "others": others}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        target, folder = run.target, memo["folder"]
        target.run(bash('mkdir -p -- "$1"', folder))
        for name, text in memo["texts"].items():
            put_bytes(target, text.encode(), f"{folder}/{name}", mode=0o755)
        name = f"opslib-{memo['project']}"
        target.run(shell(target.host, _HOOK, target.host.certbot.directory, name, feed=memo["hook"].encode()))
        if memo["line"] or memo["old"]:
            target.run(bash(_CRON, f"{MARK}{memo['project']}", memo["line"]))
        run.changed = True
        return shown(memo)

    return Step("renewal", look, do, back, show=shown)


def back(run: Run, memo: Memo) -> None:
    """The crontab as it was. The scripts stay: nobody calls them."""
    if memo["line"] or memo["old"]:
        run.target.run(bash(_CRON, f"{MARK}{memo['project']}", (memo["old"] or [""])[0]), check=False)


def shown(memo: Memo) -> str:
    """Who renews."""
    if memo["others"]:
        return f"renewed by {memo['others'][0]}, which is kept"
    return "renewed by the host's cron, twice a day" if memo["line"] else "nothing renews by itself"


def cron_line(folder: str, project: str) -> str:
    """Twice a day, at a minute that differs from host to host."""
    drawn = zlib.crc32(folder.encode())
    quoted = shlex.quote(f"{folder}/renew").replace("%", "\\%")
    return f"{drawn % 60} {drawn // 60 % 12},{drawn // 60 % 12 + 12} * * * bash {quoted} {MARK}{project}"


def renew_text(host: Host, root: str, folder: str) -> str:
    """What cron calls. It prints, and cron mails, only what went wrong. nginx reloads each time: so a reload that
    failed is tried again."""
    words = program(
        host, webroot_of(host, root), ["renew", "--no-random-sleep-on-renew", "--quiet", *host.certbot.options]
    )
    log = shlex.quote(f"{folder}/renew.log")
    return (
        f"{_HEAD}export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"exec 9>{shlex.quote(folder + '/renew.lock')} || exit 1\n"
        "flock -n 9; case $? in 0) ;; 1) exit 0 ;; *) exit 1 ;; esac\n"  # 1: another one renews
        f'log={log}; (($(stat -c %s "$log" 2>/dev/null || echo 0) < 1048576)) || mv -f "$log" "$log.1"\n'
        f'code=0; date >>"$log"\n{shlex.join(words)} 2>&1 | tee -a "$log"; ((PIPESTATUS[0] == 0)) || code=1\n'
        f'bash {shlex.quote(folder + "/reload")} 2>&1 | tee -a "$log"; ((PIPESTATUS[0] == 0)) || code=1\nexit $code\n'
    )


def reload_text(host: Host, root: str, project: str) -> str:
    """What has the proxy take a new certificate. Its own test comes first, and what it says goes to standard error."""
    spec = host.deploy.proxy
    if spec is not None and spec.sites:
        words = [spec.service] if spec.kind == "nginx" else [*(spec.command or ("nginx",))]
        folder = f"{root}/{spec.folder}" if spec.kind == "nginx" else spec.folder
        docker = f'docker() {{ command {shlex.join(host.docker)} "$@"; }}'
        return f"{_HEAD}{docker}\n{proxy_shell(spec, project, folder, words)}\ntell 0\n"
    return f"{_HEAD}{shlex.join(host.certbot.reload)}\n" if host.certbot.reload else f"{_HEAD}exit 0\n"


def hook_text(folder: str) -> str:
    """certbot's hook. In certbot's own container the project's folder is not there: then whoever called it reloads."""
    script = shlex.quote(f"{folder}/reload")
    return f"#!/bin/sh\n# Written by opslib (inv certbot.issue).\n[ -e {script} ] || exit 0\nexec bash {script}\n"
