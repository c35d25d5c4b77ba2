"""Vocabulo Quiz: asks for the signs of words, the difficult ones more often, and counts what was answered."""

import random
from typing import Annotated, Any

from fastapi import HTTPException, Query
from pydantic import BaseModel, Field

from app.database import connect, service

CHOICES = 4
NO_NUL = r"^[^\x00]*$"

app = service("Vocabulo Quiz")


class Answer(BaseModel):
    player: Annotated[str, Field(min_length=1, max_length=50, pattern=NO_NUL)]
    word: int
    chosen: int


@app.get("/question")
def question(category: Annotated[str | None, Query(max_length=100, pattern=NO_NUL)] = None) -> dict[str, Any]:
    """A sign and CHOICES words of its category, one of which it means."""
    with connect() as db:
        words = db.execute(
            "SELECT w.id, w.word, w.sign, w.category_id, d.difficulty"
            " FROM words w JOIN categories c ON c.id = category_id JOIN word_difficulty d ON d.word_id = w.id"
            " WHERE %(c)s::text IS NULL OR c.name = %(c)s",
            {"c": category},
        ).fetchall()
    if not words:
        raise HTTPException(404, "no such category")
    asked = random.choices(words, [1 + 4 * float(word["difficulty"]) for word in words])[0]
    others = [word for word in words if word["category_id"] == asked["category_id"] and word["id"] != asked["id"]]
    choices = [asked, *random.sample(others, min(CHOICES - 1, len(others)))]
    random.shuffle(choices)
    return {"sign": asked["sign"], "choices": [{"id": word["id"], "word": word["word"]} for word in choices]}


@app.post("/answers", status_code=201)
def post_answer(answer: Answer) -> dict[str, Any]:
    """Keep what a player chose for a word; a name that is new is a new player."""
    with connect() as db:
        if db.execute("SELECT FROM words WHERE id = %s", (answer.word,)).fetchone() is None:
            raise HTTPException(404, "no such word")
        player = db.execute(
            "INSERT INTO players (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            (answer.player,),
        ).fetchone()["id"]
        right = answer.word == answer.chosen
        kept = db.execute(
            "INSERT INTO answers (player_id, word_id, is_right) VALUES (%s, %s, %s) RETURNING id",
            (player, answer.word, right),
        ).fetchone()["id"]
    return {"id": kept, "right": right}


@app.get("/players/{name}/recommendations")
def recommendations(name: str, limit: Annotated[int, Query(ge=1, le=50)] = 10) -> list[dict[str, Any]]:
    """The words that a player should learn next: often wrong, or never asked and difficult for others."""
    with connect() as db:
        return db.execute(
            "SELECT w.id, w.word, d.difficulty, count(a.id) AS asked,"
            " count(a.id) FILTER (WHERE NOT a.is_right) AS wrong"
            " FROM words w JOIN word_difficulty d ON d.word_id = w.id"
            " LEFT JOIN (answers a JOIN players p ON p.id = a.player_id AND p.name = %s) ON a.word_id = w.id"
            " GROUP BY w.id, d.difficulty HAVING count(a.id) = 0 OR count(a.id) FILTER (WHERE NOT a.is_right) > 0"
            " ORDER BY wrong DESC, d.difficulty DESC, w.id LIMIT %s",
            (name.replace("\0", ""), limit),
        ).fetchall()


@app.get("/stats")
def stats() -> dict[str, int]:
    """How much there is in each table."""
    with connect() as db:
        return db.execute(
            "SELECT (SELECT count(*) FROM categories) AS categories, (SELECT count(*) FROM words) AS words,"
            " (SELECT count(*) FROM players) AS players, (SELECT count(*) FROM answers) AS answers,"
            " (SELECT count(*) FROM texts) AS texts"
        ).fetchone()
