"""The chunks as vectors in Qdrant, asked over its REST interface, and the embedding that makes a text a vector.

The embedding needs no model: words and parts of words are hashed into SIZE numbers, so texts that share them are near
each other. Whoever has a model puts it in the place of `embed`, changes SIZE, and lets the worker begin anew.
"""

import hashlib
import http.client
import json
import os
import unicodedata
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

URL, KEY = f"http://{os.environ['QDRANT_HOST']}:6333", os.environ["QDRANT_API_KEY"]
COLLECTION, SIZE = "/collections/chunks", 256
BATCH = 200  # points a request
SECONDS, LONG = 3, 30  # for an answer; for one that says that points are on the disk
_NAMESPACE = uuid.UUID("6a0b7c52-5f2e-4d0a-9d38-6d4b5f3c2a11")


class VectorsError(Exception):
    """Qdrant did not answer, or said no. `status` is that of HTTP, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def embed(text: str) -> list[float]:
    """A text as SIZE numbers, the same every time and on every machine; Qdrant makes their length 1."""
    vector = [0.0] * SIZE
    for feature, weight in _features(text):
        digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
        # the sign makes that features which happen to fall on one place cancel out rather than add up
        vector[int.from_bytes(digest[:4], "big") % SIZE] += weight if digest[4] & 1 else -weight
    return vector


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Every word, without accents and case, and its triples of letters: `synonym` is near `synonyms`."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    for word in words or [text]:  # a text without any word is a feature itself: there is no vector of length 0
        yield word, 1.0
        for start in range(len(word) - 2):
            yield f"#{word[start : start + 3]}", 0.25


def put(document: int, pieces: Sequence[str]) -> None:
    """Keep the vectors of a document's chunks; put again, they take their old places."""
    points = [
        {
            "id": str(uuid.uuid5(_NAMESPACE, f"{document}/{position}")),
            "vector": embed(piece),
            "payload": {"document_id": document, "position": position},
        }
        for position, piece in enumerate(pieces)
    ]
    for start in range(0, len(points), BATCH):
        body = {"points": points[start : start + BATCH]}
        try:
            ask("PUT", f"{COLLECTION}/points?wait=true", body, LONG)
        except VectorsError as error:
            if error.status != 404:
                raise
            _create()
            ask("PUT", f"{COLLECTION}/points?wait=true", body, LONG)


def _create() -> None:
    try:
        ask("PUT", COLLECTION, {"vectors": {"size": SIZE, "distance": "Cosine"}})
    except VectorsError as error:
        if error.status != 409:  # somebody else has just made it
            raise


def search(text: str, limit: int) -> list[tuple[int, int, float]]:
    """The chunks nearest to a text, best first: document, position, and how near (1: the same direction)."""
    body = {"query": embed(text), "limit": limit, "with_payload": True}
    try:
        found = ask("POST", f"{COLLECTION}/points/query", body)["points"]
    except VectorsError as error:
        if error.status != 404:
            raise
        return []
    return [(one["payload"]["document_id"], one["payload"]["position"], one["score"]) for one in found]


def count() -> int:
    """How many vectors there are."""
    try:
        return int(ask("POST", f"{COLLECTION}/points/count", {"exact": True})["count"])
    except VectorsError as error:
        if error.status != 404:
            raise
        return 0


def check() -> None:
    """Ask Qdrant something that takes the key; raises VectorsError when it does not answer."""
    ask("GET", f"{COLLECTION}/exists")


def ask(method: str, path: str, body: Any = None, seconds: float = SECONDS) -> Any:
    """The result of one request. Raises VectorsError."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"api-key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        with error:
            raise VectorsError(f"{method} {path}: {error.code} {error.read(300)!r}", error.code) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise VectorsError(f"{method} {path}: {type(error).__name__} {error}") from None
