"""The whole stack, asked through nginx as by a browser: docker-compose.test.yml runs it."""

import json
import unittest
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from app import seed

FRONT = "http://nginx"
SERVICES = ("embedding-service", "doc-workers", "image-processor", "chat2sql")


def ask(path: str, data: Any = None) -> tuple[int, Any]:
    """Status and JSON."""
    body = json.dumps(data).encode() if data is not None else None
    try:
        request = urllib.request.Request(FRONT + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def question(text: str) -> list[dict[str, Any]]:
    status, found = ask(f"/questions?q={urllib.parse.quote(text)}")
    assert status == 200, found
    return found["rows"]


class Stack(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        seed.seed(20, 3)

    def test_every_service_is_healthy_and_says_its_version(self) -> None:
        for service in SERVICES:
            status, found = ask(f"/{service}/health")
            assert (status, set(found.values())) == (200, {"up"}), (service, found)
            assert ask(f"/{service}/version")[1]["service"] == service

    def test_every_replica_is_asked(self) -> None:
        assert len({ask("/embedding-service/version")[1]["replica"] for _ in range(40)}) > 1

    def test_documents_are_found_by_nearness(self) -> None:
        _, found = ask("/documents/search?q=headphnes&limit=3")
        assert "headphones" in found[0]["text"], found

    def test_what_was_sent_twice_is_there_once(self) -> None:
        assert seed.seed(20, 3) == 0
        assert question("How many documents are done?") == [{"documents": 20}]

    def test_thumbnails_are_made(self) -> None:
        assert [one["width"] for one in question("Which images are larger than 400 pixels?")] == [440]
        _, (first, *_) = ask("/images")
        with urllib.request.urlopen(f"{FRONT}/images/{first['id']}/thumbnail", timeout=20) as answer:
            assert answer.read(8) == b"\x89PNG\r\n\x1a\n"

    def test_nobody_writes_without_the_key(self) -> None:
        assert ask("/documents", {"title": "a", "body": "a"})[0] == 401
        assert ask("/images?name=a", {})[0] == 401

    def test_what_is_not_understood_is_said(self) -> None:
        assert ask("/questions?q=drop+table+documents")[0] == 422


if __name__ == "__main__":
    unittest.main()
