"""What servers keep of a password."""

from __future__ import annotations

from opslib.engines.passwords import md5, scram


def test_what_postgres_keeps_is_what_its_own_client_would_send() -> None:
    """RFC 7677's example: its salt, its password, 4096 rounds."""
    import base64

    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert scram("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert scram("pencil") != scram("pencil"), "a salt of its own each time"


def test_the_older_way() -> None:
    assert md5("postgres", "secret") == "md553f48b7c4b76a86ce72276c5755f217d", "the digest of secretpostgres"
