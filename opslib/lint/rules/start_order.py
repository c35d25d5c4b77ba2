"""Who waits for whom, and whether the answer that is waited for can come."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from opslib.compose.project import Service, seconds
from opslib.lint import known
from opslib.lint.model import Model
from opslib.lint.rule import Edit, Found, Rule
from opslib.lint.rules._stack import kind, services, staying, written_in

_SLOW = 300.0  # seconds until a dead service is seen
_HASTY = 10.0  # seconds in which a database has to be made, or `up` fails
_SHELL = re.compile(r"^(if|for|while|until|case|test|\[|\[\[|exit|exec|set|cd|true|false|echo|!|\(|\{|:)$")
_GIVES_UP = re.compile(r"\s*(exit\s+[1-9]\d*|false)\s*$")  # what stands behind `||` and helps nothing
_ASSIGNS = re.compile(r"^[A-Za-z_]\w*=")


def _has_check(model: Model, service: Service) -> bool | None:
    """Whether a service has a health check, its image's own too; None where nobody knows."""
    if service.healthcheck is not None:
        return service.healthcheck
    facts = model.facts.images.get(service.image)
    return bool(facts.healthcheck) if facts is not None else None


def _no_waiting(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        waits = dict(entry.get("depends_on") or {})
        early = [
            on for on, condition in service.depends_on.items()
            if condition == "service_started" and on in model.project.services
            and _has_check(model, model.project.services[on])
        ]  # fmt: skip
        if not early or model.project.swarm:
            continue
        mended = {on: _condition(how, healthy=on in early) for on, how in waits.items()}
        place = model.place("services", name, "depends_on")
        snippet = "".join(f"\n  {on}: {{condition: {how['condition']}}}" for on, how in mended.items())
        yield Found(
            f"{name} starts as soon as {', '.join(early)} {'has' if len(early) == 1 else 'have'} a process, and not "
            "when the health check is good: on a cold start it asks before anybody answers",
            f"depends_on:{snippet}", place, name,
            _edit(model, name, ("depends_on",), mended),
        )  # fmt: skip


def _edit(model: Model, name: str, path: tuple[str, ...], value: Any) -> Edit | None:
    file = written_in(model, name, path[0])
    return Edit(file, ("services", name, *path), value) if file else None


def _condition(how: Mapping[str, Any], *, healthy: bool) -> dict[str, Any]:
    """An entry of `depends_on` in the long form, without what Compose adds by itself."""
    kept = {key: value for key, value in how.items() if (key, value) not in (("required", True), ("restart", False))}
    return {**kept, "condition": "service_healthy" if healthy else how.get("condition", "service_started")}


def _no_check_of_a_database(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        database = kind(model, service)
        if not database or _has_check(model, service) or model.project.swarm:
            continue
        waiting = [other for other, one, _ in services(model) if name in one.depends_on]
        if waiting:
            check = known.HEALTH.get(database, 'test: ["CMD", "…"]  # a program that asks the server')
            yield Found(
                f"{', '.join(waiting)} depend{'s' if len(waiting) == 1 else ''} on {name}, and nothing says when "
                f"{name} answers: on a cold start they ask too early",
                f"healthcheck:\n  {check}\n  interval: 5s\n  timeout: 5s\n  retries: 5\n  start_period: 60s",
                model.place("services", name), name,
            )  # fmt: skip


def _no_check(model: Model) -> Iterator[Found]:
    stay, needed = staying(model), {on for one in model.project.services.values() for on in one.depends_on}
    for name, service, _ in services(model):
        if name in needed and kind(model, service):
            continue  # a finding of its own
        if name in stay and service.healthcheck is None and _has_check(model, service) is False:
            yield Found(
                f"{name} has no health check: when it hangs nobody sees it, and a deploy takes a process for a service",
                "healthcheck:\n  test: [\"CMD\", \"…\"]  # a program of the image that asks the service\n"
                "  interval: 10s\n  timeout: 5s\n  retries: 3\n  start_period: 30s",
                model.place("services", name), name,
            )  # fmt: skip


def programs(test: Any) -> tuple[str, ...]:
    """The programs that a health check's test calls, as far as they can be told."""
    return tuple(dict.fromkeys(one for ways in _steps(test) for way in ways for one in way))


def _steps(test: Any) -> Iterator[list[tuple[str, ...]]]:
    """The steps of a test, each with the ways in which it may go well (`a || b`), and for each the programs that it
    needs: the first word of a command, and of each part of a shell's text."""
    words = [test] if isinstance(test, str) else [str(one) for one in test or []]
    if not words or words[0] == "NONE":
        return
    if words[0] == "CMD":
        yield [tuple(one for one in words[1:2] if _known_place(one))]
        return
    yield [("sh",)]
    for step in re.split(r"&&|;|\n", " ".join(words[1:] if words[0] == "CMD-SHELL" else words)):
        yield [tuple(_called(way)) for way in step.split("||") if not _GIVES_UP.match(way)]


def _called(pipe: str) -> Iterator[str]:
    for part in pipe.split("|"):
        try:
            words = [one for one in shlex.split(part) if not _ASSIGNS.match(one)]
        except ValueError:
            continue
        if words and not _SHELL.match(words[0]) and re.fullmatch(r"[\w./+-]+", words[0]) and _known_place(words[0]):
            yield words[0]


def _known_place(program: str) -> bool:
    """Whether it is clear where a program would have to be: what is relative depends on the working directory."""
    return "/" not in program or program.startswith("/")


def health_test(model: Model, name: str) -> Any:
    """The words of a service's health check: its own, or its image's."""
    test = ((model.config["services"].get(name) or {}).get("healthcheck") or {}).get("test")
    facts = model.facts.images.get(model.project.services[name].image)
    return test or (facts.healthcheck if facts is not None else ())


def _no_program(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        facts = model.facts.images.get(service.image)
        if service.healthcheck is False or facts is None or facts.programs is None:
            continue
        for ways in _steps(health_test(model, name)):
            missing = [next((one for one in way if one not in facts.programs), "") for way in ways]
            if not missing or "" in missing:
                continue
            other = next((one for one in ("curl", "wget", "bash") if one in facts.programs), "")
            yield Found(
                f"the health check of {name} calls {missing[0]}, which is not in {service.image}: it can only fail",
                f"call {other}, which is there" if other else "call one that is in the image, or put it in",
                model.place("services", name, "healthcheck", "test"), name,
            )  # fmt: skip


def _slow(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        check = entry.get("healthcheck") or {}
        needs = seconds(check.get("interval"), 30) * int(check.get("retries") or 3)
        if service.healthcheck and needs > _SLOW:
            yield Found(
                f"the health check of {name} needs {needs:.0f} s (interval x retries) to say that it is dead: so "
                "long a deploy waits for a version that does not start",
                "healthcheck:\n  interval: 10s\n  retries: 3", model.place("services", name, "healthcheck"), name,
            )  # fmt: skip


def _hasty(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        if service.healthcheck and kind(model, service) and service.patience < _HASTY:
            yield Found(
                f"the health check of {name} gives it {service.patience:.0f} s (start_period + interval x retries): a "
                "database that is made for the first time needs longer, and `up` fails",
                "healthcheck:\n  start_period: 60s",
                model.place("services", name, "healthcheck"), name,
                _edit(model, name, ("healthcheck", "start_period"), "60s"),
            )  # fmt: skip


RULES = (
    Rule("depends-without-health", "breaks", "a service does not wait for a health check that is there", _no_waiting),
    Rule("database-without-health", "breaks", "others depend on a database without a health check",
         _no_check_of_a_database),
    Rule("health-missing", "hardening", "a service has no health check", _no_check),
    Rule("health-program-missing", "breaks", "a health check calls a program that the image does not have",
         _no_program),
    Rule("health-hasty", "breaks", "a health check gives a database too little time to start", _hasty),
    Rule("health-slow", "hardening", "a health check needs minutes to see that a service is dead", _slow),
)  # fmt: skip
