"""What follows where a value is renewed."""

from __future__ import annotations

from opslib.env.example import Example
from opslib.env.renew import renewed
from opslib.settings.dotenv import EnvFile

EXAMPLE = Example("DB_USER=app\nDB_PASSWORD=\nURL=postgres://${DB_USER}:${DB_PASSWORD}@db/app\nCOPY=${URL}?x=1\n", "x")


def renew(text: str, example: Example | None = EXAMPLE) -> tuple[dict[str, str], set[str]]:
    made, names = renewed(text, ".env", example, "DB_PASSWORD", "n3w")
    return EnvFile(made, ".env").values(), set(names)


def test_what_the_example_puts_together_follows() -> None:
    values, names = renew(
        "DB_USER=app\nDB_PASSWORD=old\nURL=postgres://app:old@db/app\nCOPY=postgres://app:old@db/app?x=1\n"
    )
    assert (values["URL"], values["COPY"]) == ("postgres://app:n3w@db/app", "postgres://app:n3w@db/app?x=1")
    assert names == {"DB_PASSWORD", "URL", "COPY"}


def test_an_address_follows_without_an_example_whatever_its_quoting() -> None:
    values, names = renew("DB_PASSWORD='o ld'\nURL='amqp://u:o%20ld@mq'\nOTHER=amqp://u:older@mq\n", None)
    assert (values["URL"], names) == ("amqp://u:n3w@mq", {"DB_PASSWORD", "URL"})


def test_what_refers_to_it_in_the_file_stays_as_it_is_written() -> None:
    text = "DB_PASSWORD=old\nURL=postgres://app:${DB_PASSWORD}@db\n"
    made, names = renewed(text, ".env", None, "DB_PASSWORD", "n3w")
    assert (made, set(names)) == (text.replace("=old", "=n3w"), {"DB_PASSWORD", "URL"})


def test_what_is_not_put_together_as_the_example_says_is_somebodys_own() -> None:
    values, names = renew("DB_USER=app\nDB_PASSWORD=old\nURL=postgres://other@elsewhere/app\n")
    assert (values["URL"], names) == ("postgres://other@elsewhere/app", {"DB_PASSWORD"})
