"""Older into newer works, newer into older is refused with both versions named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.engines.versions import caution, rdb_version, refusal


@pytest.mark.parametrize(
    "kind, made_by, server",
    [
        ("postgres", "15.3 (Debian 15.3-1.pgdg120+1)", "15.1"),
        ("postgres", "9.6.24", "15.3"),
        ("postgres", "9.4.1", "9.6.0"),
        ("mysql", "5.7.44", "8.0.33"),
        ("mysql", "8.0.40", "8.0.11"),
        ("mysql", "8.0.33-0ubuntu0.22.04.2", "8.4.0"),
        ("mysql", "10.6.1-MariaDB", "5.5.5-10.11.4-MariaDB-1:10.11.4+maria~ubu2204"),
        ("mysql", "8.4.0", "10.11.4-MariaDB"),
        ("mysql", "10.11.4-MariaDB", "8.0.33"),
        ("mongo", "6.0.14", "7.0.2"),
        ("mongo", "7.0.14", "7.0.2"),
        ("redis", "REDIS0009", "7.0.15"),
        ("redis", "REDIS0011", "valkey 8.0.1"),
        ("redis", "REDIS0012", "8.4.0"),
        ("redis", "6.2.7", "7.2.4"),
        ("redis", "valkey 8.1.0", "7.2.4"),
        ("redis", "REDIS0099", "9.9"),  # newer than what is known here
        ("redis", "VALKEY081", "valkey 9.2.0"),
        ("qdrant", "1.9.7", "1.9.2"),
        ("qdrant", "1.9.7", "1.10.0"),
        ("sqlite", "3.45.1", "3.34.0"),
        ("volume", "2", "1"),
        ("postgres", "", "15.3"),
        ("mysql", "8.0.33", "unknown"),
    ],
)
def test_what_works(kind: str, made_by: str, server: str) -> None:
    assert refusal(kind, made_by, server) is None


@pytest.mark.parametrize(
    "kind, made_by, server, said",
    [
        ("postgres", "16.2 (Debian 16.2-1)", "15.3", "made by PostgreSQL 16.2, newer than the server, PostgreSQL 15.3"),
        ("postgres", "9.6.1", "9.5.20", "made by PostgreSQL 9.6.1, newer than the server, PostgreSQL 9.5.20"),
        ("postgres", "10.0", "9.6", "made by PostgreSQL 10.0, newer than the server, PostgreSQL 9.6"),
        ("mysql", "8.0.33-log", "5.7.44", "made by MySQL 8.0.33, newer than the server, MySQL 5.7.44"),
        ("mysql", "11.4.2-MariaDB", "10.11.4-MariaDB", "made by MariaDB 11.4.2, newer than the server, MariaDB 10.11.4"),
        ("mongo", "8.0.0", "7.0.14", "made by MongoDB 8.0.0, newer than the server, MongoDB 7.0.14"),
        ("mongo", "4.4.1", "4.2.24", "made by MongoDB 4.4.1, newer than the server, MongoDB 4.2.24"),
        ("redis", "REDIS0011", "7.0.15", "made by Redis 7.2 or later (RDB 11), newer than Redis 7.0.15, which reads RDB up to 10"),
        ("redis", "7.4.1", "6.2.7", "made by Redis 7.4.1 (RDB 12), newer than Redis 6.2.7, which reads RDB up to 9"),
        ("redis", "REDIS0099", "7.2", "made by Redis of an unknown version (RDB 99), newer than Redis 7.2, which reads RDB up to 11"),
        ("redis", "REDIS0012", "valkey 9.0.1", "made by Redis 7.4 or later (RDB 12), which no Valkey reads; the server is Valkey 9.0.1"),
        ("redis", "VALKEY080", "8.4.0", "made by Valkey 9.0 or later (RDB 80), which no Redis reads; the server is Redis 8.4.0"),
        ("redis", "VALKEY081", "valkey 9.0.1", "made by Valkey 9.2 or later (RDB 81), newer than Valkey 9.0.1, which reads RDB up to 80"),
        ("qdrant", "1.10.0", "1.9.2", "made by Qdrant 1.10.0, newer than the server, Qdrant 1.9.2"),
        ("qdrant", "1.7.4", "1.9.2", "made by Qdrant 1.7.4, too old for Qdrant 1.9.2: "),
        ("qdrant", "0.11.0", "1.0.0", "made by Qdrant 0.11.0, too old for Qdrant 1.0.0: "),
    ],
)  # fmt: skip
def test_what_is_refused(kind: str, made_by: str, server: str, said: str) -> None:
    assert (refusal(kind, made_by, server) or "").startswith(said)


@pytest.mark.parametrize(
    "kind, made_by, server, said",
    [
        ("mysql", "8.0.33", "10.11.4-MariaDB", "utf8mb4_0900_ai_ci"),
        ("mysql", "8.0.33", "11.4.5-MariaDB", "their SQL differs"),
        ("mysql", "5.7.44", "10.11.4-MariaDB", "their SQL differs"),
        ("mysql", "10.11.4-MariaDB", "8.0.33", "made by MariaDB 10.11.4, loaded into MySQL 8.0.33"),
        ("mongo", "4.4.1", "7.0.1", "made by MongoDB 4.4.1, loaded into 7.0.1"),
    ],
)
def test_what_is_said_beforehand(kind: str, made_by: str, server: str, said: str) -> None:
    assert said in (caution(kind, made_by, server) or "")


@pytest.mark.parametrize(
    "kind, made_by, server", [("mysql", "8.0.1", "8.4.0"), ("mongo", "7.0.1", "7.0.9"), ("postgres", "9.6", "16.1")]
)
def test_nothing_to_say(kind: str, made_by: str, server: str) -> None:
    assert caution(kind, made_by, server) is None


@pytest.mark.parametrize(
    "text, number",
    [("REDIS0009", 9), ("VALKEY080", 80), ("5.0.14", 9), ("6.2.1", 9), ("7.0.0", 10), ("7.2.4", 11), ("8.0.1", 12),
     ("2.4", None), ("valkey 7.2.8", 11), ("valkey 8.1", 11), ("valkey 9.1.0", 80), ("", None)],
)  # fmt: skip
def test_rdb_versions(text: str, number: int | None) -> None:
    assert rdb_version(text) == number


@settings(deadline=None)
@given(st.sampled_from(["postgres", "mysql", "mongo", "redis", "qdrant", "sqlite"]), st.text(), st.text())
def test_nothing_raises(kind: str, made_by: str, server: str) -> None:
    refusal(kind, made_by, server)
    caution(kind, made_by, server)
