"""The rows that a dump of PostgreSQL holds, counted in what `pg_restore --data-only` prints."""

from __future__ import annotations

import pytest

from opslib.backup.postgres_count import count

PRINTED = rb"""--
-- Data for Name: notes; Type: TABLE DATA; Schema: public; Owner: app
--

COPY public.notes (id, text) FROM stdin;
1	COPY public.other (id) FROM stdin;
2	a\nb\\.
\N	\\.
\.

COPY "s.x"."T 'q""
(" ("two
lines") FROM stdin;
1
\.

COPY public.empty (id) FROM stdin;
\.

COPY public."no columns"  FROM stdin;


\.

SELECT pg_catalog.setval('public.notes_id_seq', 500, true);
"""


def test_the_rows_of_each_table_are_counted() -> None:
    assert count(PRINTED.splitlines(keepends=True)) == [
        ("public", "notes", 3), ("s.x", "T 'q\"\n(", 1), ("public", "empty", 0), ("public", "no columns", 2),
    ]  # fmt: skip


def test_rows_that_do_not_end_are_an_error() -> None:
    with pytest.raises(ValueError, match="rows of notes do not end"):
        count(PRINTED[:150].splitlines(keepends=True))
