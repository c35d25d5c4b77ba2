"""What was read of images for sending, kept on this machine: an image is read once, however many servers take it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import Cancelled, CommandFailed, OpsError
from opslib.events import Note
from opslib.images.pieces import Codec, Piece, compressed, member
from opslib.images.pushed import Pushed, pushed
from opslib.images.saved import NotUnderstood, Saved
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.images.info import ImageInfo
    from opslib.target.base import Target

MOST = 5_000_000_000  # bytes of all files together
LIMIT = 6 * 3600.0  # seconds for reading or sending an image; files younger than that may be in use


class Cache:
    """The folder. Files are named after what is in them, so that runs may share it.

    `DIGEST.BYTES.SHA256.zst` is a layer as a member of a tar archive, compressed: the layer's digest and length, and
    the SHA-256 of the file. `ID.json` is the configuration of an image; `BLOB.of` names the layer that an engine pushes
    under that digest; `port` is where it pushes to.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, most: int = MOST) -> None:
        home = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.folder, self._most = Path(home) / "opslib" / "images", most

    @contextmanager
    def alone(self, here: Target) -> Iterator[None]:
        """One reads at a time: what it read is there for the next. Raises Cancelled, OpsError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = open(self.folder / "lock", "w")  # noqa: SIM115
        except OSError as error:
            raise OpsError(f"cannot write {self.folder}: {error.strerror}") from error
        with lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if here.cancelled:
                        raise Cancelled("interrupted", host=here.host.name) from None
                    time.sleep(0.05)
            yield

    def read(self, here: Target, ref: str, image: ImageInfo, codec: Codec) -> tuple[bytes, dict[str, Piece]]:
        """The image's configuration, and its layers by their digests. To be called `alone`.

        Raises NotUnderstood, and OpsError when the engine here does not give the image, or there is no room for it.
        """
        path = self.folder / f"{_hex(image.id)}.json"
        found = {one: piece for one in image.diff_ids if (piece := self._layer(one, codec))}
        try:
            if path.exists() and all(one in found for one in image.diff_ids):
                os.utime(path)
                return path.read_bytes(), found
            with self._new(here, ref, image, found, codec) as new:
                for one in image.diff_ids:
                    if one not in found:
                        found[one] = self._keep(one, new, codec)
                    if isinstance(new, Pushed):
                        (self.folder / f"{_hex(new.blobs[one])}.of").write_text(one)
                config = new.config
            part = _part(path)
            part.write_bytes(config)
            part.rename(path)
        except OSError as error:
            raise OpsError(f"cannot keep {ref} in {self.folder}: {error.strerror or error}") from error
        return config, found

    def forget(self, pieces: Mapping[str, Piece]) -> None:
        """Remove layers that arrived as something else."""
        for piece in pieces.values():
            if piece.path is not None:
                piece.path.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what was used least of late until the rest is no more than the bound, and what a killed run left half
        written. What may be in use stays. To be called `alone`."""
        files = sorted((one.stat().st_mtime, one.stat().st_size, one) for one in self.folder.iterdir())
        total, old = sum(size for _, size, _ in files), time.time() - LIMIT
        for at, size, path in files:
            if at < old and path.name not in ("lock", "port") and (total > self._most or path.suffix == ".part"):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                total -= size

    def _layer(self, digest: str, codec: Codec) -> Piece | None:
        for path in self.folder.glob(f"{_hex(digest)}.*.*.{codec}"):
            os.utime(path)
            _, raw, sha256, _ = path.name.split(".")
            return Piece(sha256, path.stat().st_size, int(raw), path)
        return None

    @contextmanager
    def _new(
        self, here: Target, ref: str, image: ImageInfo, found: Mapping[str, Piece], codec: Codec
    ) -> Iterator[Saved | Pushed]:
        """The image as the engine gives it: pushed where something of it is here already, which goes by layers, else
        saved, which reads all of it in less time."""
        with ExitStack() as stack:
            new: Saved | Pushed | None = None
            if found:
                folder = _part(self.folder / f"{_hex(image.id)}.push")
                has = partial(self._has, codec)
                try:
                    new = stack.enter_context(pushed(here, ref, image, folder, has, LIMIT))
                except (CommandFailed, NotUnderstood) as error:
                    here.tell(
                        Note(here.host.name, f"{ref} is read whole, as it cannot be pushed to this machine: {error}")
                    )
            yield new or stack.enter_context(self._saved(here, ref, image))

    def _has(self, codec: Codec, blob: str) -> bool:
        path = self.folder / f"{_hex(blob)}.of"
        if not path.exists() or self._layer(path.read_text(), codec) is None:
            return False
        os.utime(path)
        return True

    @contextmanager
    def _saved(self, here: Target, ref: str, image: ImageInfo) -> Iterator[Saved]:
        part = _part(self.folder / f"{_hex(image.id)}.tar")
        try:
            here.run(docker(here.host, "image", "save", ref, limit=LIMIT, to=str(part)))
            with closing(Saved(part, image.diff_ids)) as saved:
                yield saved
        except CommandFailed as error:
            raise OpsError(f"docker image save failed here: {error.what}") from None
        finally:
            part.unlink(missing_ok=True)

    def _keep(self, digest: str, new: Saved | Pushed, codec: Codec) -> Piece:
        raw, packed, size = hashlib.sha256(), hashlib.sha256(), new.size(digest)

        def told(blocks: Iterator[bytes], to: hashlib._Hash) -> Iterator[bytes]:
            for block in blocks:
                to.update(block)
                yield block

        inside = member(f"blobs/sha256/{_hex(digest)}", size, told(new.layer(digest), raw))
        part = _part(self.folder / f"{_hex(digest)}.{codec}")
        try:
            with open(part, "wb") as file:
                file.writelines(told(compressed(inside, codec), packed))
            if raw.hexdigest() != _hex(digest):
                raise NotUnderstood(f"what the engine here gave as layer {digest} is something else")
            path = self.folder / f"{_hex(digest)}.{size}.{packed.hexdigest()}.{codec}"
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return Piece(packed.hexdigest(), path.stat().st_size, size, path)


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}.part")
