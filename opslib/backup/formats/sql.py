"""Plain SQL by its first and last lines: which program wrote it, of which server, and whether its end is there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

_MYSQL = re.compile(
    r"^-- (?P<tool>(?P<who>MySQL|MariaDB) dump [^\s,]+)(?:\s+Distrib (?P<distrib>[^\s,]+))?,? ", re.MULTILINE
)
_MYSQL_SERVER = re.compile(r"^-- Server version\t(\S+)", re.MULTILINE)
_MYSQL_HOST = re.compile(r"^-- Host: (\S*) +Database: (.*)$", re.MULTILINE)
_SANDBOX = re.compile(r"/\*M?!999999\\- enable the sandbox mode \*/")
_PHPMYADMIN = re.compile(r"^-- phpMyAdmin SQL Dump$", re.MULTILINE)
_PG_SERVER = re.compile(r"^-- Dumped from database version (\S+)", re.MULTILINE)
_PG_TOOL = re.compile(r"^-- Dumped by pg_dump version (\S+)", re.MULTILINE)
_PG = re.compile(r"^-- PostgreSQL database (cluster )?dump$", re.MULTILINE)
_PG_END = re.compile(r"^-- PostgreSQL database dump complete$", re.MULTILINE)
_LAST = r"(?:--|\\unrestrict \S+|\s)*\Z"  # what may follow the mark of the end
_PG_LAST = re.compile(_PG_END.pattern + _LAST, re.MULTILINE)
_CLUSTER_LAST = re.compile(r"^-- PostgreSQL database cluster dump complete$" + _LAST, re.MULTILINE)
_MYSQL_LAST = re.compile(r"^-- Dump completed.*$\s*\Z", re.MULTILINE)
_CURRENT = re.compile(r"^-- Current Database: ", re.MULTILINE)

_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z)|/\*(?!M?!).*?\*/)*", re.DOTALL)
_STATEMENT = re.compile(
    r"(?:create|insert|replace|set|begin|start|drop|alter|copy|use|select|delete|update|truncate|grant|revoke|lock"
    r"|comment|do|with|pragma|delimiter)\b|\\(?:connect|c|restrict|set|encoding)\b|/\*M?!\d",
    re.IGNORECASE,
)
_LIKE_MYSQL = re.compile(
    r"/\*M?!\d{5,6}|\bENGINE ?= ?\w+|\bAUTO_INCREMENT\b|`\w+` |^UNLOCK TABLES|^DELIMITER ", re.M | re.I
)
_LIKE_POSTGRES = re.compile(
    r"^COPY .* FROM stdin;|\bpg_catalog\b|^SET (?:search_path|client_min_messages|statement_timeout)\b|^\\(?:connect|c"
    r"|restrict)\b|\bcharacter varying\b|\bOWNER TO\b|\b(?:big)?serial\b|::\w+|\btimestamptz\b|\bjsonb\b",
    re.M | re.I,
)
_LIKE_SQLITE = re.compile(r"\s*PRAGMA foreign_keys\s*=\s*OFF;\s*BEGIN TRANSACTION;", re.IGNORECASE)

Dialect = Literal["postgres", "mysql", "sqlite", "sql"]


@dataclass(frozen=True, slots=True)
class Text:
    """`dialect` is `sql` where nothing says whose it is. `form` is `plain`; `cluster` or `globals` for pg_dumpall, with
    databases or without; `mysqldump`; `text` for what sqlite3's `.dump` writes."""

    dialect: Dialect
    form: str
    facts: dict[str, str] = field(default_factory=dict)
    complete: bool | None = None


def read(head: bytes, tail: bytes) -> Text | None:
    """What plain SQL says of itself; None for a text that does not begin as SQL does."""
    first, last = _decoded(head), _decoded(tail)
    if _MYSQL.search(first):
        return _mysqldump(first, last)
    found = _PG.search(first)
    if found:
        return _pg_dumpall(first, last) if found[1] else _pg_dump(first, last)
    if _PHPMYADMIN.search(first):
        return _phpmyadmin(first)
    if _LIKE_SQLITE.match(first):
        return Text("sqlite", "text", {}, last.rstrip().endswith("COMMIT;") if tail else None)
    if not _STATEMENT.match(first, _BLANK.match(first).end()):  # type: ignore[union-attr]  # matches the empty text
        return None
    if _SANDBOX.match(first):
        return Text("mysql", "mysqldump", {"flavour": "mariadb", "sandbox": "1"})
    return Text("sql", "plain", _like(first))


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n")


def _fact(pattern: re.Pattern[str], text: str, name: str) -> dict[str, str]:
    found = pattern.search(text)
    return {name: found[1]} if found else {}


def _pg_dump(first: str, last: str) -> Text:
    facts = {**_fact(_PG_SERVER, first, "server_version"), **_fact(_PG_TOOL, first, "pg_dump_version")}
    return Text("postgres", "plain", facts, bool(_PG_LAST.search(last)) if last else None)


def _pg_dumpall(first: str, last: str) -> Text:
    """Databases follow the roles, unless only these were asked for; the last one's end is just before the file's."""
    facts = {**_fact(_PG_SERVER, first, "server_version"), **_fact(_PG_TOOL, first, "pg_dump_version")}
    complete = bool(_CLUSTER_LAST.search(last)) if last else None
    databases = _PG_END.search(last) or _PG_SERVER.search(first) or not complete
    return Text("postgres", "cluster" if databases else "globals", facts, complete)


def _mysqldump(first: str, last: str) -> Text:
    said = _MYSQL.search(first)
    assert said is not None
    facts = {"tool": said["tool"], **_fact(_MYSQL_SERVER, first, "server_version")}
    maria = said["who"] == "MariaDB" or "mariadb" in (facts.get("server_version", "") + (said["distrib"] or "")).lower()
    facts["flavour"] = "mariadb" if maria else "mysql"
    host = _MYSQL_HOST.search(first)
    if host:
        named = {"host": host[1], "database": host[2].strip()}
        facts.update({name: value for name, value in named.items() if value})
    if _SANDBOX.match(first):
        facts["sandbox"] = "1"
    if _CURRENT.search(first):
        facts["names_databases"] = "1"
    return Text("mysql", "mysqldump", facts, bool(_MYSQL_LAST.search(last)) if last else None)


def _phpmyadmin(first: str) -> Text:
    """Its lines are in its user's language: the server's version is the one that looks like one."""
    versions = re.findall(r"^-- [^:\n]+: ?(\d+\.\d+\.\d+(?:-\S+)?)$", first, re.MULTILINE)
    facts = {"tool": "phpMyAdmin", **({"server_version": versions[0]} if versions else {})}
    facts["flavour"] = "mariadb" if versions and "mariadb" in versions[0].lower() else "mysql"
    return Text("mysql", "mysqldump", facts)


def _like(text: str) -> dict[str, str]:
    mysql, postgres = bool(_LIKE_MYSQL.search(text)), bool(_LIKE_POSTGRES.search(text))
    return {"looks_like": "mysql" if mysql else "postgres"} if mysql != postgres else {}
