"""The model of a stack: Docker Compose on this machine resolves the files, also where what they need is not all here.

A linter runs where there are no secrets: in CI, on a laptop. Where there is no env file its example takes its place,
and stand-ins that of variables that nobody has given a value; env files of services that are not here are left out.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from opslib.compose.project import parse_project
from opslib.compose.recognise import normalised, recognise_project
from opslib.compose.wanted import Answer, ask, moved
from opslib.errors import BadSettings
from opslib.findings import Finding
from opslib.lint.model import Model
from opslib.lint.stacks import Files
from opslib.lint.written import Written
from opslib.settings.dotenv import EnvFile
from opslib.settings.textfile import read_text
from opslib.target.base import Target
from opslib.target.transfer import read_file

_AT = re.compile(r"([^:\s]+):(\d+): ")
_STAND_IN = 10001  # a number is a port, a tag, a size, a path and a word; each variable has another one


@dataclass(frozen=True, slots=True)
class Resolved:
    """The model, and what of it is not as it will be: in words, and as findings."""

    model: Model
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def resolve(here: Target, files: Files, written: Written, there: Target | None = None) -> Resolved:
    """Ask Docker Compose on this machine; `there` is where the stack runs, if it is to be compared with that: the model
    has its paths and the project's name there then. Raises BadSettings for files that Compose refuses, NoDocker where
    it is missing."""
    own = files.env_file or ".env"
    name = project_name(files, written)
    if there is not None:
        name = recognise_project(there, there.host, name)
    with tempfile.TemporaryDirectory(prefix="opslib-lint-") as stage:
        given = _environment(files, own, written, there, Path(stage))
        compose, notes = list(files.compose), [given.note] if given.note else []
        if without := _without_env_files(files.root, written):
            compose.append(str(_put(Path(stage) / "compose.yml", without)))
            notes.append("env files of services that are not here were left out")
        answer = _ask(here, files, written, name, compose, given.file, stage, hashes=there is not None)
    root = there.root if there is not None else str(files.root)
    config = moved(answer.config, str(files.root), root)
    project = parse_project(config, root=root, files=files.compose, env_file=files.env_file, hashes=answer.hashes)
    off = [service for service in written.services() if service not in project.services]
    if off:
        notes.append(f"not looked at, because their profile is not on (COMPOSE_PROFILES in {own}): {', '.join(off)}")
    model = Model(project, config, files.root, given.values, written=written)
    return Resolved(model, notes, [*_unread(written), *(_unset(answer, written, own) if given.whole else ())])


@dataclass(frozen=True, slots=True)
class _Given:
    """The env file that Compose is called with (None: none) and its values; `whole` where it is the real one."""

    file: str | None
    values: dict[str, str] = field(repr=False)
    whole: bool = True
    note: str = ""


def _environment(files: Files, own: str, written: Written, there: Target | None, stage: Path) -> _Given:
    if (files.root / own).is_file():
        return _Given(own, EnvFile.read(files.root / own, own).values())
    if there is not None and (text := read_file(there, f"{there.root}/{own}")) is not None:
        decoded = text.decode("utf-8", "surrogateescape")
        return _Given(str(_put(stage / "env", decoded)), EnvFile(decoded, own).values())
    if not any(True for _ in written.variables()):
        return _Given(None, {})
    example = _example(files.root, own)
    text_ = read_text(files.root / example, example) if example else ""
    values = EnvFile(text_, example or own).values()
    missing = dict.fromkeys(
        one.name for one in written.variables()
        if (one.how == ":?" and not values.get(one.name)) or (one.how in ("", "?") and one.name not in values)
    )  # fmt: skip
    lines = [f"{name}={_STAND_IN + at}" for at, name in enumerate(missing)]
    of = f"the values of {example} stand for its" if example else "stand-ins take the place of its values"
    others = ", and stand-ins for those that have none" if example and missing else ""
    file = _put(stage / "env", "\n".join([text_, *lines, ""]))
    return _Given(str(file), values, whole=False, note=f"there is no {own} here: {of}{others}")


def _example(root: Path, own: str) -> str | None:
    names = (f"{own}.example", posixpath.join(posixpath.dirname(own), ".env.example"))
    return next((name for name in names if (root / name).is_file()), None)


def _ask(
    here: Target, files: Files, written: Written, name: str, compose: Sequence[str], env: str | None, stage: str,
    *, hashes: bool,
) -> Answer:  # fmt: skip
    try:
        return ask(here, name, compose, env, root=str(files.root), hashes=hashes)
    except BadSettings as error:
        if why := next(iter(written.unread.values()), ""):  # of our own reader: it names file and line
            raise BadSettings(why, host=here.host.name, left="everything") from None
        error.what = error.what.replace(f"{stage}/", "").replace(f"{files.root}/", "")
        error.message = error.text()
        raise


def project_name(files: Files, written: Written) -> str:
    """The project's name, as the host file, the compose files or the folder have it."""
    names = [node.text for node in written.layers("name") if node.is_scalar and node.text and "$" not in node.text]
    return files.project or normalised(names[0] if names else files.root.name) or "stack"


def _without_env_files(root: Path, written: Written) -> str:
    """A compose file that takes away the env files of services that are not here; "" where all are."""
    services = {}
    for name in written.services():
        named = [_nearest(root, folder, path) for folder, path in written.env_files(name)]
        if None in named:
            services[name] = {"env_file": _InPlace(str(path) for path in named if path is not None)}
    return yaml.dump({"services": services}, Dumper=_Dumper) if services else ""


def _nearest(root: Path, folder: str, path: str) -> Path | None:
    """The file that an entry means; one that is named by a variable is believed to be there."""
    places = (root / path, root / folder / path)
    return Path(path) if "$" in path else next((place for place in places if os.path.isfile(place)), None)


class _InPlace(list[str]):
    """A list in place of all that other files have."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_InPlace, lambda dumper, value: dumper.represent_sequence("!override", list(value)))


def _put(path: Path, text: str) -> Path:
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(text)
    return path


def _unread(written: Written) -> Iterator[Finding]:
    for named, why in written.unread.items():
        file, line, what = located(why, named)
        yield Finding("compose-unread", "hardening", f"{what}: Docker Compose takes it all the same, but what is found "
                      "in it has no line", f"write {file} so that other programs can read it", file, line)  # fmt: skip


def located(text: str, file: str) -> tuple[str, int, str]:
    """The file and line that an error begins with, and its words; `file` and 0 where it names none."""
    found = _AT.match(text)
    return (found[1], int(found[2]), text[found.end() :]) if found else (file, 0, text)


def _unset(answer: Answer, written: Written, own: str) -> Iterator[Finding]:
    """Variables that the env file lacks. Pieces of a password with a `$` in it are none: no compose file has them."""
    told = set()
    for one in written.variables():
        if one.name in answer.unset and one.name not in told:
            told.add(one.name)
            yield Finding("variable-unset", "breaks", f"{one.name} is used and not set: Compose puts nothing in its "
                          "place", f"set {one.name} in {own}, or write ${{{one.name}:-}} where empty is meant",
                          one.file, one.line)  # fmt: skip
