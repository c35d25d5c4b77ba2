"""Variables of services: addresses that lead nowhere, passwords that everybody can read, doors that stand open."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opslib.compose.environment import is_placeholder
from opslib.lint import known
from opslib.lint.model import Model
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import command, kind, listens, services, written

_HERE = r"(?:localhost|127\.0\.0\.1|\[::1\])"
_URL = re.compile(
    rf"^(?P<scheme>[a-z][a-z0-9]*)(?:[+.][a-z0-9+]+)?://(?:[^/@\s]*@)?{_HERE}(?::(?P<port>\d{{1,5}}))?(?=[/?,]|$)",
    re.IGNORECASE,
)
_HOST_PORT = re.compile(rf"^{_HERE}:(?P<port>\d{{1,5}})$", re.IGNORECASE)
_LOCAL = re.compile(_HERE[:-1] + "|^::1$)", re.IGNORECASE)
_SHARED = re.compile(r"host|service:|container:")  # the network of somebody else
_BROWSER = re.compile(
    r"PUBLIC|VITE_|REACT_APP_|CORS|ORIGIN|ALLOW|CALLBACK|REDIRECT|FRONTEND|EXTERNAL|ADVERTISED|ROOT_URL|SITE|WEB_"
)
_HOST = re.compile(
    r"(?:^|_)(PG|POSTGRES(?:QL)?|MYSQL|MARIADB|MONGO(?:DB)?|REDIS|VALKEY|RABBIT(?:MQ)?|KAFKA|QDRANT"
    r"|ELASTIC(?:SEARCH)?|CHROMA|DB|DATABASE)_?HOST(?:NAME)?$"
)
_KINDS = {"PG": "postgres", "POSTGRESQL": "postgres", "MARIADB": "mysql", "MONGODB": "mongo", "VALKEY": "redis",
          "RABBIT": "rabbitmq", "ELASTIC": "elasticsearch", "DB": "", "DATABASE": ""}  # fmt: skip

_PASSWORD = re.compile(
    r"(PASS(WORD|WD|PHRASE)?|_PWD|_PW|SECRET|SECRET_?KEY|JWT_?KEY|TOKEN"
    r"|(API|PRIVATE|ACCESS|ENCRYPTION|SIGNING|MASTER|ACCOUNT)_?KEY)$"
)
_KEY = re.compile(r"(SECRET|SECRET_?KEY|JWT_?KEY|(ENCRYPTION|SIGNING|MASTER)_?KEY)$")
_OWN = {"mysql": "MYSQL_|MARIADB_", "mariadb": "MYSQL_|MARIADB_", "mongo": "MONGO_INITDB_|MONGODB_",
        "redis": "REDIS_|VALKEY_", "elasticsearch": "ELASTIC_", "meilisearch": "MEILI_",
        "mssql": "SA_|MSSQL_"}  # fmt: skip
"""What the variables begin with by which a server's image is told its passwords; else the kind itself."""
_OPEN = re.compile(r"PUBLIC|PUBLISHABLE|SITE_?KEY")  # meant to be read by everybody
_NO_VALUE = re.compile(r"(?i)(|true|false|yes|no|on|off|none|null|\d{1,3}|/.*|https?://.*)")
_IN_URL = re.compile(r"^[a-z][a-z0-9+.-]*://[^/\s:@]*:(?P<password>[^/\s@]+)@", re.IGNORECASE)
_DEFAULT = re.compile(r"\$\{(?P<name>\w+):?-(?P<default>[^${}]+)\}")
_OPTION = re.compile(
    r"(?:^|\s)(?P<option>--?(?:requirepass|password|passwd))[= ]+(?!\S*\$)[^\s/\"'-][^\s]*", re.IGNORECASE
)
_FROM_FILE = re.compile(
    r"(?:^|\s)-{0,2}(?P<option>[\w-]*(?:requirepass|masterauth|pass|password|passwd|auth|token))[= ]+"
    r"[\"']?(?P<path>/run/secrets/[^\s\"']+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Others:
    """Where the services of a stack listen, and which kind of database each is."""

    ports: Mapping[str, frozenset[int]]
    kinds: Mapping[str, str]

    def meant(self, name: str, key: str, value: str) -> list[str]:
        """The services that a value with `localhost` in it must mean, none where it may be right."""
        if value.lower() in ("localhost", "127.0.0.1", "::1"):
            found = _HOST.search(key.upper())
            if not found or self.kinds[name]:
                return []
            wanted = _KINDS.get(found[1], found[1].lower())
            return [
                other for other, one in self.kinds.items()
                if one and other != name and (one == wanted or (not wanted and one != "redis"))
            ]  # fmt: skip
        match = _URL.match(value) or _HOST_PORT.match(value)
        if match is None:
            return []
        scheme = (match.groupdict().get("scheme") or "").lower()
        port = int(match["port"] or known.SCHEMES.get(scheme, 0))
        if not port or port in self.ports[name]:
            return []
        there = [other for other, ports in self.ports.items() if port in ports]
        if scheme not in ("http", "https", "ws", "wss"):
            return there
        return [other for other in there if not _BROWSER.search(key.upper()) and self._about(key, other)]

    def _about(self, key: str, other: str) -> bool:
        """Whether a variable is about a service: else its address may be for a browser, where localhost is right."""
        return other.upper().replace("-", "_") in key.upper() or bool(self.kinds[other])


def _localhost(model: Model) -> Iterator[Found]:
    all_of = [(name, service) for name, service, _ in services(model)]
    led = [
        (name, key, value) for name, service in all_of if not _SHARED.match(service.network_mode)
        for key, value in service.environment.items() if _LOCAL.search(value)
    ]  # fmt: skip
    if not led:
        return
    others = _Others(
        {name: listens(model, name) for name, _ in all_of},
        {name: kind(model, service).replace("mariadb", "mysql") for name, service in all_of},
    )
    for name, key, value in led:
        if there := others.meant(name, key, value):
            yield Found(
                f"{key} of {name} leads to localhost, which in a container is the container itself: nobody answers "
                f"there, {' or '.join(there)} {'is a service' if len(there) == 1 else 'are services'} of its own",
                f"environment:\n  {key}: {_led(value, there[0])}",
                model.place("services", name, "environment", key), name,
            )  # fmt: skip


def _led(value: str, service: str) -> str:
    """What leads to the service; whatever else the value has in it may be a secret."""
    match = _URL.match(value) or _HOST_PORT.match(value)
    if match is None:
        return service
    port = f":{match['port']}" if match["port"] else ""
    scheme = match.groupdict().get("scheme")
    if not scheme:
        return f"{service}{port}"
    return f"{scheme}://…@{service}{port}/…" if "@" in value else f"{scheme}://{service}{port}"


def _path_as_value(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        for key, value in service.environment.items():
            # A program of one's own may call it so and read the file.
            if value.startswith("/run/secrets/") and _PASSWORD.search(key.upper()) and service.build is None:
                fix = f"let the program read the file: {key}_FILE, if it knows that"
                if kind(model, service):
                    fix = f"environment:\n  {key}_FILE: {value}"
                yield Found(
                    f"{key} of {name} is the path {value} itself, not what is in that file: a password that "
                    "everybody knows",
                    fix, model.place("services", name, "environment", key), name,
                )  # fmt: skip
        for found in _FROM_FILE.finditer(command(entry)):
            yield Found(
                f"{name} is started with {found['option']} {found['path']}: the path itself is the password, and "
                "everybody knows it",
                f"command: [\"sh\", \"-c\", \"exec … --{found['option']} \\\"$$(cat {found['path']})\\\"\"]\n"
                "or, out of the list of processes too, a configuration on stdin (see the page)",
                model.place("services", name, "command"), name,
            )  # fmt: skip


def _literal(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        for key, value in service.environment.items():
            if not (_PASSWORD.search(key.upper()) or _IN_URL.match(value)):
                continue
            raw = written(model, "services", name, "environment", key)
            how = "" if raw is None else _readable(key, value, raw)
            if how:
                yield Found(
                    f"{key} of {name} {how}: whoever has the repository has the password, for ever",
                    f"environment:\n  {key}: {_from_env(key, value, raw or '')}\n"
                    "and a new value: inv env.init makes one",
                    model.place("services", name, "environment", key), name,
                )  # fmt: skip
        for found in _OPTION.finditer(command(entry)):
            if not model.uses("services", name, "command"):
                yield Found(
                    f"the password behind {found['option']} of {name} is written in the compose file: whoever has the "
                    "repository has it, for ever",
                    "give the program its password by a variable: ${NAME:?set it in .env}",
                    model.place("services", name, "command"), name,
                )  # fmt: skip


def _readable(key: str, value: str, raw: str) -> str:
    """How a secret can be read in the compose file, "" where it cannot."""
    in_url = _IN_URL.match(value)
    if in_url:
        said = _IN_URL.match(raw)
        if said and "$" not in said["password"]:
            return "has a password in its URL"
        default = _DEFAULT.search(said["password"] if said else raw)
        if default and (default["default"] == in_url["password"] or default["default"] == value):
            return f"has a password in its URL, the default of {default['name']}"
        return ""
    if not _PASSWORD.search(key.upper()) or _OPEN.search(key.upper()) or _NO_VALUE.fullmatch(value):
        return ""
    if "$" not in raw:
        return "is written in the compose file"
    default = _DEFAULT.fullmatch(raw)
    return f"is the default of {default['name']}, as it is not set" if default and default["default"] == value else ""


def _from_env(key: str, value: str, raw: str) -> str:
    """How the value is written without the secret in it."""
    used = _DEFAULT.search(raw)
    if _IN_URL.match(value) and not (used and _IN_URL.match(used["default"])):
        return f"…://USER:${{{used['name'] if used else 'DB_PASSWORD'}:?set it in .env}}@…"
    return f"${{{used['name'] if used else key}:?set it in .env}}"


def _published(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        if not (database := kind(model, service)):
            continue
        for index, port in enumerate(service.ports):
            if port.published and port.host_ip in ("", "0.0.0.0", "::"):
                yield Found(
                    f"port {port.published} of {name} ({database}) is open to everybody who reaches this machine; a "
                    "firewall like ufw does not help, Docker goes past it",
                    f"take it away: services reach it as {name}:{port.target}; or for this machine alone\n"
                    f"ports:\n  - \"127.0.0.1:{port.published}:{port.target}\"",
                    model.place("services", name, "ports", index), name,
                )  # fmt: skip


def _same_twice(model: Model) -> Iterator[Found]:
    """Doors are what servers ask for, and keys; an application that has a server's password is no other door."""
    doors: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for name, service, _ in services(model):
        for key, value in service.environment.items():
            if not _PASSWORD.search(key.upper()) or _NO_VALUE.fullmatch(value) or is_placeholder(value):
                continue  # of what everybody tries first others speak
            if door := _door(kind(model, service), service.image, name, key.upper()):
                doors[value].setdefault(door, (name, key))
    for opened in doors.values():
        (first, first_key), *others = opened.values()
        for name, key in others:
            told = model.uses("services", name, "environment", key)
            before = model.uses("services", first, "environment", first_key)
            if (name, key) != (first, first_key) and not (key == first_key and told & before):
                yield Found(
                    f"{key} of {name} is the same as {first_key} of {first}: whoever learns one has both",
                    f"a value of its own: ${{{key}:?set it in .env}}, and inv env.init makes it",
                    model.place("services", name, "environment", key), name,
                )  # fmt: skip


def _door(kind: str, image: str, name: str, key: str) -> str:
    """What a variable's value opens: a server, by its own variables alone (others come with an env file that several
    services share); what is signed with a key; "" for what only logs in somewhere."""
    administers = re.search(r"ROOT|ADMIN|DEFAULT", key)
    if kind:
        own = re.match(_OWN.get(kind, re.escape(kind.upper())), key)
        return "" if not own else f"{name} {key}" if administers else name
    if administers and re.search(r"grafana|pgadmin|minio|keycloak", known.named(image)):
        return name
    return key if _KEY.search(key) else ""


RULES = (
    Rule("localhost-to-service", "breaks", "an address leads to localhost, and a service is meant", _localhost),
    Rule("secret-path-as-value", "exposes", "the path of a secret stands where its value should", _path_as_value),
    Rule("literal-password", "exposes", "a password is written in the compose file", _literal),
    Rule("published-database", "exposes", "a database's port is open on all interfaces", _published),
    Rule("same-password", "exposes", "two doors have the same password", _same_twice),
)
