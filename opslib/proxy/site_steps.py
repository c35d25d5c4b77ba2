"""Sites written, tried and taken by nginx; the old ones come back where it does not take them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.command import bash
from opslib.compose.recognise import recognise_project
from opslib.compose.script import read_all, sections
from opslib.compose.stack import look as look_at_stack
from opslib.errors import BadSettings, OpsError
from opslib.proxy import first_certificate
from opslib.proxy.directives import Directive, parse
from opslib.proxy.host_nginx import included
from opslib.proxy.place import Place, of_project, of_stack, webroot_of
from opslib.proxy.site import PREFIX, certificate_of, files, whose
from opslib.run.step import AnyStep, Run, Step, recoveries
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from opslib.compose.project import Project
    from opslib.settings.sites import Site
    from opslib.target.base import Target

Memo = dict[str, Any]
Seen = Mapping[str, Sequence[str]]


def steps(run: Run, *, live: Collection[str] | None = None, first: Collection[str] = ()) -> list[AnyStep]:
    """Have the sites of the host file there. A site goes on with the certificate that it has; those in `live` show the
    ACME server's, those in `first` their own again. Raises BadSettings where the host file has no sites."""
    require(run)
    return [site_step(live or (), first)]


def require(run: Run) -> None:
    """Raises BadSettings where the host file has no sites."""
    spec = run.target.host.deploy.proxy
    if spec is None or not spec.sites:
        why = "Traefik has routers, and gets certificates by itself" if spec and spec.kind == "traefik" else (
            "the host file has no `deploy: proxy: sites:`")  # fmt: skip
        raise BadSettings(f"there is no site to write: {why}", host=run.host, left="everything",
                          next="docs/certbot.md shows a site")  # fmt: skip


def place(run: Run) -> Place:
    """The nginx that runs. Raises OpsError where there is none."""
    target = run.target
    project = recognise_project(target, target.host)
    found = of_stack(target.host, target.root, look_at_stack(target, project), project)
    if found is None:
        assert target.host.deploy.proxy is not None
        raise OpsError(f"{target.host.deploy.proxy.service} does not run, so no site can be given to it",
                       host=run.host, left="everything", next=f"inv deploy --host {run.host}")  # fmt: skip
    return found


def site_step(live: Collection[str], first: Collection[str]) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        at = place(run)
        seen = sections(read_all(run.target, at.script("look_at")))
        refuse_broken(seen, at)
        texts = found(seen)
        wanted = _wanted(at, texts, live, first)
        refuse_others(at, texts, wanted, seen)
        stale = [name for name in texts if name.endswith(".conf") and name not in wanted]
        gone = [name for name in stale if whose(texts[name]) == "ours"]
        new: dict[str, str | None] = {name: text for name, text in wanted.items() if texts.get(name) != text}
        new |= dict.fromkeys(gone)
        run.result["sites"] = [{"site": one.name, "domains": list(one.domains), "live": at.serves_live(one, text)}
                               for one, text in zip(at.spec.sites, wanted.values(), strict=True)]  # fmt: skip
        missing = [one.name for one in at.spec.sites if files(one)[1] not in seen_files(seen)]
        if not new and not missing:
            return None
        return {"project": at.project, "folder": at.folder, "old": {name: texts.get(name) for name in new}, "new": new,
                "certificates": missing}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        at = place(run)
        certificates(run.target, at, memo["certificates"])
        write(run.target, memo["folder"], memo["new"])
        tell(run, at)
        run.changed = True
        return show(memo)

    return Step("site", look, do, back, show=shown)


def back(run: Run, memo: Memo) -> None:
    """The old files, and nginx with them, as far as it runs."""
    write(run.target, memo["folder"], memo["old"])
    if run.target.host.deploy.proxy is None:  # of a host file that has been changed since
        return
    try:
        run.target.run(place(run).script("tell 0"), check=False)
    except OpsError as error:
        run.note(f"the old sites are back, and nginx was not reloaded: {error.what}", warning=True)


def tell(run: Run, at: Place) -> None:
    """Have nginx test and take what is there. Raises OpsError with what it says."""
    done = run.target.run(at.script("tell 0"), check=False)
    if not done.ended.ok:
        said = [line for line in done.ended.stderr.strip().splitlines() if line] or ["it does not say why"]
        raise OpsError("nginx does not take its configuration:\n    " + "\n    ".join(said[-3:]), host=run.host,
                       left="nginx goes on with what it has read before", next=again(at))  # fmt: skip


def again(at: Place) -> str:
    """What a person types to see what nginx says."""
    command = " ".join(at.spec.command or ("nginx",))
    return f"mend it, until {command} -t is content" if at.pairs is None else (
        f"mend it, until docker compose exec {at.spec.service} nginx -t is content there")  # fmt: skip


def write(target: Target, folder: str, texts: Mapping[str, str | None]) -> None:
    """Have the files there; those without a text are not."""
    for name, text in texts.items():
        if text is None:
            target.run(bash('rm -f -- "$1"', f"{folder}/{name}"))
        else:
            put_bytes(target, text.encode(), f"{folder}/{name}", mode=0o644)


def certificates(target: Target, at: Place, names: Collection[str]) -> None:
    """The first certificates of these sites, and the folder of the challenges."""
    folder = f"{webroot_of(at.host, at.root)}/.well-known/acme-challenge"
    target.run(bash('umask 022; mkdir -p -- "$1"', folder))
    for site in at.spec.sites:
        if site.name in names:
            _, certificate, key = files(site)
            pem, private = first_certificate.make(site.domains)
            put_bytes(target, private, f"{at.folder}/{key}", mode=0o600)
            put_bytes(target, pem, f"{at.folder}/{certificate}", mode=0o644)


def check(target: Target, project: Project) -> None:
    """Before anything is changed: whether nginx has what its sites need. Raises BadSettings."""
    at = of_project(target.host, target.root, project)
    for site in at.spec.sites:
        at.paths(site, True)


def ready(target: Target, at: Place) -> None:
    """Before nginx starts for the first time: the sites that are not there yet, with certificates of their own."""
    there = set(target.run(bash('cd -- "$1" 2>/dev/null && printf "%s\\n" opslib-site-* || true', at.folder)).lines)
    absent = [one for one in at.spec.sites if files(one)[0] not in there]
    certificates(target, at, [one.name for one in at.spec.sites if files(one)[1] not in there])
    write(target, at.folder, {files(one)[0]: at.text(one, False) for one in absent})


def found(seen: Seen) -> dict[str, str]:
    """The sites that are there, by the names of their files."""
    return {name.removeprefix("file "): "".join(f"{line[1:]}\n" for line in lines)
            for name, lines in seen.items() if name.startswith("file ")}  # fmt: skip


def seen_files(seen: Seen) -> set[str]:
    """The names of all files of sites that are there."""
    return {name.removeprefix("file ") for name in seen if name.startswith("file ")}


def refuse_broken(seen: Seen, at: Place) -> None:
    """Raises OpsError where nginx would not take its own configuration, BadSettings where it may not be written or
    does not read the folder."""
    if "write" not in seen["may"]:
        user, folder = seen["user"][0], at.folder
        raise BadSettings(f"{folder} is not there, or may not be written to by {user}", host=at.host.name,
                          left="everything", next=f"sudo install -d -o {user} {folder} there")  # fmt: skip
    if seen["code"] != ["0"]:
        said = [line[1:] for line in seen["said"]]
        raise OpsError("the configuration of nginx is broken, before anything was changed:\n    "
                       + "\n    ".join(said[-3:]), host=at.host.name,
                       left="everything: nginx goes on with what it has read before", next=again(at))  # fmt: skip
    inside = at.inside(at.folder, "where its sites are")
    if not included([line[1:] for line in seen.get("dump", [])], inside):
        raise BadSettings(f"the configuration of nginx includes nothing from {inside}", host=at.host.name,
                          left="everything", next=f"`include {inside}/*.conf;` in its http block")  # fmt: skip


def refuse_others(at: Place, texts: Mapping[str, str], wanted: Mapping[str, str], seen: Seen) -> None:
    """Raises OpsError where a file is somebody's own, or another one serves a domain already: with the difference."""
    for site, (name, text) in zip(at.spec.sites, wanted.items(), strict=True):
        mine = whose(texts.get(name))
        if mine in ("other", "changed"):
            how = "was changed by hand" if mine == "changed" else "is not opslib's"
            raise OpsError(
                f"{at.folder}/{name} {how}, and is not overwritten:\n{difference(texts[name], text, name)}",
                host=at.host.name, left="everything", next=f"put what you need of it into the host file, rm {name} "
                f"there, and inv deploy.proxy --host {at.host.name}",
            )  # fmt: skip
        for file, body in _elsewhere(seen, site):
            raise OpsError(
                f"{file} serves {site.name} already, and is not opslib's:\n{difference(body, text, file)}",
                host=at.host.name, left="everything", next="take the site out of it (of several with one name nginx "
                "takes the first), or leave it as it is and name its domains under `certbot: domains:`",
            )  # fmt: skip


def difference(old: str, new: str, name: str) -> str:
    """What would become of a file, line by line."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} of opslib", lineterm="", n=1))
    more = [f"    … and {len(lines) - 60} lines more"] if len(lines) > 60 else []
    return "\n".join([*(f"    {line}" for line in lines[:60]), *more])


def _elsewhere(seen: Seen, site: Site) -> list[tuple[str, str]]:
    """The files in which another server of nginx has one of the site's names, with their texts."""
    dump = "\n".join(line[1:] for line in seen.get("dump", []))
    _, *parts = re.split(r"(?m)^# configuration file (/.*):$", dump)
    hits = []
    for path, text in zip(parts[::2], parts[1::2], strict=True):
        if PREFIX in path.rsplit("/", 1)[-1]:
            continue
        for one in parse(f"# configuration file {path}:\n{text}"):
            if any(set(words) & set(site.domains) for words in _names(one)):
                hits.append((path, text.strip()))
                break
    return hits


def _names(block: Directive) -> list[tuple[str, ...]]:
    mine = [block.words[1:]] if block.name == "server_name" else []
    return mine + [names for one in block.inside for names in _names(one)]


def _wanted(at: Place, texts: Mapping[str, str], live: Collection[str], first: Collection[str]) -> dict[str, str]:
    wanted = {}
    for site in at.spec.sites:
        name = files(site)[0]
        now = texts.get(name)
        stays = site.name not in first and bool(certificate_of(now)) and at.serves_live(site, now)
        shows = site.name in live or stays
        wanted[name] = at.text(site, shows)
    return wanted


def show(memo: Memo) -> str:
    """A few words."""
    return ", ".join(name.removeprefix(PREFIX).removesuffix(".conf") for name in memo["new"]) or "first certificates"


def shown(memo: Memo) -> str:
    """The plan: what becomes of each file."""
    told = [f"{memo['folder']}/{name}\n{difference(memo['old'][name] or '', text or '', name)}"
            for name, text in memo["new"].items()]  # fmt: skip
    return "\n".join(told) or "make the first certificates"


RECOVERIES = recoveries(site_step((), ()))
