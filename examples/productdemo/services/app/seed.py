"""Sample documents and images, the same every time, sent as by anybody: python -m app.seed [HOW_MANY]"""

import io
import json
import random
import sys
import time
import urllib.parse
import urllib.request
from typing import Any

from PIL import Image

from app.settings import secret

SECONDS = 120  # for the workers to come to all of it
DOCUMENTS, IMAGES = "http://doc-workers/documents", "http://image-processor/images"
PRODUCTS = ["lamp", "kettle", "bicycle", "desk", "headphones", "tent", "coffee mill", "rain coat", "camera", "toaster"]
NOTES = [
    "The {p} was returned because its cable is too short for a kitchen.",
    "Three customers asked whether the {p} can be repaired, and it can.",
    "In the cold the {p} needs twice as long, which the manual does not say.",
    "The new {p} weighs less and costs more than the old one.",
    "Spare parts of the {p} are kept for ten years.",
    "The box of the {p} is larger than what the letter box takes.",
    "Somebody uses the {p} on a boat, and salt has not harmed it so far.",
    "The colour of the {p} in the catalogue is not that of the thing itself.",
    "Of a hundred and twenty {p}s one came without its screws.",
]


def document(number: int) -> dict[str, str]:
    """The same number gives the same document."""
    chance, product = random.Random(number), PRODUCTS[number % len(PRODUCTS)]
    notes = [chance.choice(NOTES).format(p=product) for _ in range(chance.randint(3, 20))]
    return {"title": f"Report {number:04}: {product}", "body": f"Report {number:04}. " + " ".join(notes)}


def image(number: int) -> bytes:
    """The same number gives the same PNG: a gradient, larger for larger numbers."""
    width, height = 320 + 40 * number, 240 + 20 * number
    gradient = Image.linear_gradient("L").resize((width, height)).rotate(30 * number)
    out = io.BytesIO()
    Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180))).save(out, "PNG")
    return out.getvalue()


def ask(url: str, data: bytes | None = None, kind: str = "application/json") -> Any:
    """The JSON that a service answers with. Raises OSError."""
    headers = {"X-API-Key": secret("API_KEY"), "Content-Type": kind}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
        return json.load(answer)


def seed(documents: int, images: int = 5) -> int:
    """Send what is not there yet, and wait until the workers have done it all; returns how many were new."""
    new = [ask(DOCUMENTS, json.dumps(document(number)).encode())["new"] for number in range(1, documents + 1)]
    for number in range(1, images + 1):
        name = urllib.parse.quote(f"gradient {number}.png")
        new.append(ask(f"{IMAGES}?name={name}", image(number), "image/png")["new"])
    deadline = time.monotonic() + SECONDS
    while any(one["state"] == "waiting" for url in (DOCUMENTS, IMAGES) for one in ask(f"{url}?limit=1000")):
        if time.monotonic() > deadline:
            sys.exit(f"the workers have not come to all of it in {SECONDS} s: look at their logs")
        time.sleep(0.2)
    return sum(new)


if __name__ == "__main__":
    print(f"{seed(int(sys.argv[1]) if len(sys.argv) > 1 else 100)} documents and images added")
