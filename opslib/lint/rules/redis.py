"""Redis as more than a cache: a queue, sessions, data of its own, in a server that keeps nothing or throws it away."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opslib.compose.project import Service
from opslib.lint.model import Model
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import command, data, kind, services, where

_WORKER = re.compile(
    r"\b(celery|rq worker|rqworker|sidekiq|resque|dramatiq|arq|huey_consumer|taskiq|bullmq|artisan queue:work"
    r"|artisan horizon)\b"
)
_QUEUE = re.compile(r"BROKER|CELERY|(^|_)QUEUE|BULL|SIDEKIQ|RESQUE|(^|_)JOBS?_|SESSION_(STORE|DRIVER|REDIS|URL)")
_EVICTS = re.compile(r"maxmemory-policy[= ]+[\"']?(allkeys-\w+)")
_NO_SAVE = re.compile(r"(?:^|\s)(?:--)?save[= ]+(?:\"\"|''|\\\"\\\"|--|$)|(?:^|\s)--save\s*(?=--|$)")
_APPENDS = re.compile(r"appendonly[= ]+[\"']?yes")


def _used_for(model: Model, redis: str) -> str:
    """Who says that a Redis is more than a cache, "" where nobody does."""
    alone = sum(kind(model, service) == "redis" for _, service, _ in services(model)) == 1
    for name, service, entry in services(model):
        if name == redis or not _asks(service, redis, alone=alone):
            continue
        if worker := _WORKER.search(command(entry)):
            return f"{name} is started with {worker[1]}"
        for key, value in service.environment.items():
            here = _named(value, redis) or (alone and (value == "redis" or value.startswith(("redis://", "rediss://"))))
            if _QUEUE.search(key.upper()) and here:
                return f"{key} of {name} leads to it"
    return ""


def _meant_to_keep(told: str) -> str:
    """What in its own command says that its data are worth something."""
    if _APPENDS.search(told):
        return "its own command says `appendonly yes`"
    return "its own command says `noeviction`" if "noeviction" in told else ""


def _asks(service: Service, redis: str, *, alone: bool) -> bool:
    """Whether a service has to do with this Redis. Where there is one only, whoever names any does."""
    values = list(service.environment.values())
    if redis in service.depends_on or any(_named(value, redis) for value in values):
        return True
    return alone and any(re.search(r"\bredis\b", value) for value in values)


def _named(value: str, redis: str) -> bool:
    return value == redis or bool(re.search(rf"(?:@|//|^){re.escape(redis)}(?::\d|/|$)", value))


def _not_kept(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        if kind(model, service) != "redis":
            continue
        told = command(entry)
        used = _used_for(model, name)
        if not (why := used or _meant_to_keep(told)):
            continue
        for folder in [one for group in data(model, name) for one in group][:1]:
            found = where(model, name, folder)
            if found.how != "kept":
                place = model.place("services", name)
                if found.index is not None:
                    place = model.place("services", name, "volumes", found.index)
                lost = {"tmpfs": "in memory", "layer": "in the container itself"}
                yield Found(
                    f"{name} is more than a cache ({why}), and what it saves in {folder} is "
                    f"{lost.get(found.how, 'in a volume without a name')}: lost with the container",
                    f"volumes:\n  - {name}_data:{folder}", place, name,
                )  # fmt: skip
        if _NO_SAVE.search(told) and not _APPENDS.search(told):
            yield Found(
                f"{name} is more than a cache ({why}), and saves nothing (`save \"\"`): a restart loses all of it",
                "add to its command: --appendonly yes", model.place("services", name, "command"), name,
            )  # fmt: skip
        if used and (evicts := _EVICTS.search(told)):
            yield Found(
                f"{name} is more than a cache ({why}), and when its memory is full {evicts[1]} throws away whatever "
                "it likes, jobs and sessions too",
                "in its command: --maxmemory-policy noeviction; and a Redis of its own for the cache",
                model.place("services", name, "command"), name,
            )  # fmt: skip


RULES = (
    Rule("redis-not-kept", "loses data", "a Redis that is more than a cache keeps nothing, or throws data away",
         _not_kept),
)  # fmt: skip
