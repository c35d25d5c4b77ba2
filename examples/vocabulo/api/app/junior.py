"""Vocabulo Junior: shows children the signs of the words in a text that they read."""

import re
from typing import Annotated, Any

from fastapi import HTTPException, Query
from pydantic import BaseModel, Field

from app.database import connect, service

app = service("Vocabulo Junior")


class Text(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    body: Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]


@app.post("/texts", status_code=201)
def post_text(text: Text) -> dict[str, Any]:
    """Keep a text; the answer has its words that have a sign, in the order of the text."""
    with connect() as db:
        found = db.execute(
            "INSERT INTO texts (title, body) VALUES (%s, %s) RETURNING id", (text.title, text.body)
        ).fetchone()
        return {**found, "words": _signs(db, text.body)}


@app.get("/texts")
def get_texts(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    """A page of texts; the next one begins after the last id of this one."""
    with connect() as db:
        return db.execute(
            "SELECT id, title, created_at FROM texts WHERE id > %s ORDER BY id LIMIT %s", (after, limit)
        ).fetchall()


@app.get("/texts/{text}")
def get_text(text: int) -> dict[str, Any]:
    """One text with the signs of its words."""
    with connect() as db:
        found = db.execute("SELECT id, title, body, created_at FROM texts WHERE id = %s", (text,)).fetchone()
        if found is None:
            raise HTTPException(404, "no such text")
        return {**found, "words": _signs(db, found["body"])}


@app.get("/words/{word}")
def get_word(word: str) -> dict[str, Any]:
    """A word with its definition and its sign."""
    with connect() as db:
        found = db.execute(
            "SELECT w.id, word, definition, sign, c.name AS category"
            " FROM words w JOIN categories c ON c.id = category_id WHERE word = lower(%s)",
            (word.replace("\0", ""),),
        ).fetchone()
    if found is None:
        raise HTTPException(404, "no sign for this word")
    return found


def _signs(db: Any, body: str) -> list[dict[str, Any]]:
    """The words of a text that have a sign, each once; an s or x at the end may be a plural's."""
    words = list(dict.fromkeys(re.findall(r"[^\W\d_]+", body.lower())))
    forms = {word: [word, word[:-1]] if word.endswith(("s", "x")) else [word] for word in words}
    rows = db.execute(
        "SELECT id, word, sign FROM words WHERE word = ANY(%s)", ([form for some in forms.values() for form in some],)
    ).fetchall()
    known = {row["word"]: row for row in rows}
    found = [next((known[form] for form in forms[word] if form in known), None) for word in words]
    return list({row["id"]: row for row in found if row}.values())
