"""The whole stack, asked through nginx as a browser would: docker-compose.test.yml runs it."""

import json
import unittest
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import seed
from common.settings import secret

FRONT = "http://nginx"
SERVICES = ("embedding-service", "doc-workers", "image-processor", "chat2sql")


def get(path: str) -> tuple[int, Any]:
    """Status and JSON."""
    try:
        with urllib.request.urlopen(FRONT + path, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def question(text: str) -> list[dict[str, Any]]:
    status, found = get(f"/questions?q={urllib.parse.quote(text)}")
    assert status == 200, found
    return found["rows"]


class Stack(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        seed.seed(20, 3)

    def test_every_service_is_healthy_and_says_its_version(self) -> None:
        for service in SERVICES:
            status, found = get(f"/{service}/health")
            self.assertEqual((status, set(found.values())), (200, {"up"}), service)
            self.assertEqual(get(f"/{service}/version")[1]["service"], service)

    def test_every_replica_is_asked(self) -> None:
        replicas = {get("/embedding-service/version")[1]["replica"] for _ in range(40)}
        self.assertGreater(len(replicas), 1)

    def test_documents_are_found_by_nearness(self) -> None:
        _, found = get("/documents/search?limit=3&q=" + urllib.parse.quote("headphnes"))
        self.assertIn("headphones", found[0]["text"])

    def test_what_was_sent_twice_is_there_once(self) -> None:
        self.assertEqual(seed.seed(20, 3), 0)
        self.assertEqual(question("How many documents are done?"), [{"documents": 20}])

    def test_thumbnails_are_small(self) -> None:
        (first, *_), wide = get("/images")[1], question("Which images are larger than 400 pixels?")
        with urllib.request.urlopen(f"{FRONT}/images/{first['id']}/thumbnail", timeout=20) as answer:
            self.assertEqual(answer.read(8), b"\x89PNG\r\n\x1a\n")
        self.assertEqual([one["width"] for one in wide], [440])

    def test_nobody_writes_without_the_key(self) -> None:
        request = urllib.request.Request(f"{FRONT}/documents", b"{}", {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)
        caught.exception.close()
        self.assertEqual(caught.exception.code, 401)
        self.assertNotEqual(secret("API_KEY"), "")

    def test_what_is_not_understood_is_said(self) -> None:
        self.assertEqual(get("/questions?q=drop+table+documents")[0], 422)


if __name__ == "__main__":
    unittest.main()
