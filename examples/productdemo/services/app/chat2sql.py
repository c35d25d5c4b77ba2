"""chat2sql: questions in English as SQL, and what it finds.

No model is in here: each kind of question is a pattern with its statement. Its session is read-only and has a time
limit (PGOPTIONS in the compose file): a model in the place of QUESTIONS could read what it likes, and change nothing.
"""

import re
from typing import Annotated, Any

from fastapi import HTTPException, Query

from app import postgres, web

QUESTIONS = (
    (r"how many (?P<table>documents|chunks|images)", "SELECT count(*) AS {table} FROM {table}"),
    (
        r"how many (?P<table>documents|images) (?:are|have been) (?P<state>waiting|done)",
        "SELECT count(*) AS {table} FROM {table} WHERE state = %(state)s",
    ),
    (
        r"(?:what|which) are the (?:newest|latest) (?P<table>documents|images)",
        "SELECT * FROM (SELECT id, {name}, created_at FROM {table}) AS rows ORDER BY created_at DESC, id DESC LIMIT 5",
    ),
    (
        r"(?:what|which) documents mention (?P<word>.+)",
        "SELECT id, title FROM documents WHERE strpos(lower(body), %(word)s) > 0 ORDER BY id LIMIT 100",
    ),
    (
        r"(?:what|which) images are larger than (?P<pixels>\d{1,6})(?: pixels)?",
        "SELECT id, name, width, height FROM images WHERE greatest(width, height) > %(pixels)s::integer"
        " ORDER BY id LIMIT 100",
    ),
)
NAMES = {"documents": "title", "images": "name"}

app = web.application("chat2sql", {"postgres": postgres.check})


@app.get("/questions")
def get_answer(q: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]) -> dict[str, Any]:
    """The statement and the rows that it finds; 422 and what can be asked for a question that is not understood."""
    for pattern, statement in QUESTIONS:
        if found := re.fullmatch(pattern, q.strip(" ?."), re.IGNORECASE):
            values = {name: value.lower() for name, value in found.groupdict().items()}
            table = values.get("table", "")  # one of those in the pattern: no text of a user's
            sql = statement.format(table=table, name=NAMES.get(table, ""))
            with postgres.connect() as db:
                return {"sql": sql, "rows": db.execute(sql, values).fetchall()}
    raise HTTPException(422, {"not understood": q, "understood": [pattern for pattern, _ in QUESTIONS]})


if __name__ == "__main__":
    web.serve(app)
