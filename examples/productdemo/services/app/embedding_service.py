"""embedding-service: texts as vectors, remembered in Redis.

The embedding needs no model: words and parts of words are hashed into SIZE numbers, so texts that share them are near
each other. Whoever has a model puts it in the place of `embed` and counts MODEL up.
"""

import hashlib
import math
import struct
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from app import cache, web

MODEL = 1
SIZE = 256
REMEMBERED = 7 * 24 * 3600  # seconds
VECTOR = struct.Struct(f"<{SIZE}f")

app = web.application("embedding-service", {"redis": cache.check})


class Texts(BaseModel):
    texts: Annotated[list[Annotated[str, Field(max_length=200_000)]], Field(min_length=1, max_length=1000)]


@app.post("/embeddings")
def post_embeddings(asked: Texts) -> dict[str, Any]:
    """A vector of length 1 for each text, in their order; and how many were known already."""
    keys = [f"vector:{MODEL}:{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}" for text in asked.texts]
    known = cache.client.mget(keys)
    packed = [old or VECTOR.pack(*embed(text)) for text, old in zip(asked.texts, known, strict=True)]
    pipe = cache.client.pipeline(transaction=False)
    for key, old, new in zip(keys, known, packed, strict=True):
        if old is None:
            pipe.set(key, new, ex=REMEMBERED)
    pipe.execute()
    return {"vectors": [VECTOR.unpack(one) for one in packed], "known": sum(one is not None for one in known)}


def embed(text: str) -> list[float]:
    """A text as SIZE numbers, the same every time and on every machine."""
    vector = [0.0] * SIZE
    for feature, weight in _features(text):
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        # the sign makes that features which happen to fall on one place cancel out rather than add up
        vector[int.from_bytes(digest[:4], "big") % SIZE] += weight if digest[4] & 1 else -weight
    length = math.hypot(*vector) or 1.0
    return [number / length for number in vector]


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Every word, without accents and case, and its triples of letters: `synonym` is near `synonyms`."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    for word in words or [text]:
        yield word, 1.0
        for start in range(len(word) - 2):
            yield f"#{word[start : start + 3]}", 0.25


if __name__ == "__main__":
    web.serve(app)
