"""Sample data, the same every time: python -m app.seed [HOW_MANY]"""

import random
import sys
from datetime import datetime, timedelta, timezone

from app import audit, searches, store

FIRST = datetime(2026, 1, 1, 8, tzinfo=timezone.utc)
SUBJECTS = [
    "full-text search", "vector search", "chunking", "embeddings", "ranking", "prompt design", "document parsing",
    "caching", "evaluation", "access control", "language detection", "summaries", "citations", "query rewriting",
]  # fmt: skip
PLACES = ["a law firm", "a city library", "a hospital", "a small bank", "a school", "a newsroom", "a machine shop"]
LESSONS = [
    "{s} failed first on long documents, and short overlaps between the pieces mended it.",
    "Nobody at {p} asked for {s}; they asked why the second answer was better than the first.",
    "The index was rebuilt every night until somebody measured how little of it had changed.",
    "An answer without its source was never trusted, however good it was.",
    "With {s} switched off, four questions in ten still found the right page.",
    "Old scans needed more care than all new files together.",
    "What {p} calls a contract, its own archive files under agreements, so synonyms came before {s}.",
    "Latency mattered less than expected: people wait two seconds for an answer that they can check.",
    "The worst mistakes came from duplicates, which {s} ranks as if they were two opinions.",
    "A restore was tried before the first user was let in, and it took nine minutes.",
    "Names with accents were searched for without them, and both must be found.",
    "Half of the questions were asked again within a week, in other words.",
]


def document(number: int) -> tuple[str, str]:
    """Title and text of one document: the same number gives the same document."""
    chance = random.Random(number)
    subject, place = SUBJECTS[number % len(SUBJECTS)], PLACES[number % len(PLACES)]
    title = f"Note {number:04}: {subject} at {place}"
    sentences = [chance.choice(LESSONS).format(s=subject, p=place) for _ in range(chance.randint(4, 30))]
    return title, f"{title}\n\n" + " ".join(text[0].upper() + text[1:] for text in sentences) + "\n"


def seed(how_many: int) -> int:
    """Add the first documents that are not there yet, chunks and all; returns how many were new."""
    added = 0
    for number in range(1, how_many + 1):
        title, text = document(number)
        at = FIRST + timedelta(hours=number)
        identifier, new = store.add_document(title, text.encode(), at)
        if new:
            store.make_chunks(identifier)
            audit.record("document", title, at)
            added += 1
    searches.client.zadd(searches.KEY, {subject: 3 + place for place, subject in enumerate(SUBJECTS)}, nx=True)
    return added


if __name__ == "__main__":
    print(f"{seed(int(sys.argv[1]) if len(sys.argv) > 1 else 200)} documents added")
