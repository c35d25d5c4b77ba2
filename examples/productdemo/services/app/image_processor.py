"""image-processor: takes images in; its worker makes their thumbnails."""

import hashlib
import io
from typing import Annotated, Any

from fastapi import Body, Depends, HTTPException, Query, Response
from PIL import Image, UnidentifiedImageError

from app import cache, postgres, web
from app.jobs import Jobs

FORMATS = ("PNG", "JPEG", "WEBP")
LARGEST = 10_000_000  # bytes
SIDE = 256  # pixels
Image.MAX_IMAGE_PIXELS = 40_000_000


def make_thumbnail(image: int) -> None:
    """Make the thumbnail of an image, at most SIDE pixels wide and high."""
    with postgres.connect() as db:
        row = db.execute("SELECT original FROM images WHERE id = %s FOR UPDATE", (image,)).fetchone()
        if row is None:
            return
        out = io.BytesIO()
        with Image.open(io.BytesIO(row["original"]), formats=FORMATS) as original:
            original.thumbnail((SIDE, SIDE))
            original.convert("RGB").save(out, "PNG", optimize=True)
        db.execute("UPDATE images SET thumbnail = %s, state = 'done' WHERE id = %s", (out.getvalue(), image))


def waiting() -> list[int]:
    """The images that no worker has dealt with yet."""
    with postgres.connect() as db:
        return [row["id"] for row in db.execute("SELECT id FROM images WHERE state = 'waiting' ORDER BY id")]


jobs = Jobs("images", make_thumbnail, waiting)
app = web.application("image-processor", {"postgres": postgres.check, "redis": cache.check}, jobs.work)


@app.post("/images", status_code=201, dependencies=[Depends(web.key_holder)])
def post_image(
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    name: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
    response: Response,
) -> dict[str, Any]:
    """Keep the image that is the request's body; sent again, it is 200 and the same image."""
    if len(data) > LARGEST:
        raise HTTPException(413, f"at most {LARGEST} bytes, please")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            image.verify()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise HTTPException(422, f"a whole image, please: {', '.join(FORMATS)}") from None
    digest = hashlib.sha256(data).hexdigest()
    with postgres.connect() as db:
        new = db.execute(
            "INSERT INTO images (name, original, digest, width, height) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (digest) DO NOTHING RETURNING id",
            (name, data, digest, width, height),
        ).fetchone()
        found = new or db.execute("SELECT id FROM images WHERE digest = %s", (digest,)).fetchone()
    jobs.add(found["id"])
    response.status_code = 201 if new else 200
    return {"id": found["id"], "new": new is not None}


@app.get("/images")
def get_images(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    """A page of images; the next one begins after the last id of this one."""
    with postgres.connect() as db:
        return db.execute(
            "SELECT id, name, width, height, state, created_at FROM images WHERE id > %s ORDER BY id LIMIT %s",
            (after, limit),
        ).fetchall()


@app.get("/images/{image}/thumbnail")
def get_thumbnail(image: int) -> Response:
    """The thumbnail as PNG; 404 while there is none."""
    with postgres.connect() as db:
        row = db.execute("SELECT thumbnail FROM images WHERE id = %s", (image,)).fetchone()
    if row is None or row["thumbnail"] is None:
        raise HTTPException(404, "no such image, or no worker has come to it yet")
    return Response(row["thumbnail"], media_type="image/png")


if __name__ == "__main__":
    web.serve(app)
