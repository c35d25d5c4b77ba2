"""What the engine here pushes of an image: its configuration, and the layers that are not said to be there already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.compose.script import docker_script
from opslib.images.receive import Receiver
from opslib.images.saved import NotUnderstood, unpacked, unpacked_size

if TYPE_CHECKING:
    from opslib.images.info import ImageInfo
    from opslib.target.base import Target

# $1 the image, $2 its name at the receiver. All names of that kind go, also what a killed run left.
_PUSH = """docker image tag "$1" "$2" || exit
docker push --quiet "$2"; code=$?
mapfile -t names < <(docker image ls --format '{{.Repository}}:{{.Tag}}' "${2%:*}")
docker image rm "${names[@]}" >/dev/null; exit "$code\""""


class Pushed:
    """An image in the files that a receiver took. `blobs`: under which digest the engine has each layer."""

    def __init__(self, folder: Path, manifests: list[bytes], image: ImageInfo) -> None:
        self._folder = folder
        for text in manifests:
            try:
                manifest = json.loads(text)
                self.config = self._file(manifest["config"]["digest"]).read_bytes()
                found = json.loads(self.config)["rootfs"]["diff_ids"]
                layers = [one["digest"] for one in manifest["layers"]]
            except (KeyError, TypeError, ValueError, OSError):
                continue  # of another platform, or of an attestation
            if tuple(found) == image.diff_ids and len(found) == len(layers):
                self.blobs: dict[str, str] = dict(zip(found, layers, strict=True))
                return
        raise NotUnderstood("what the engine here pushed is not understood")

    def layer(self, diff_id: str) -> Iterator[bytes]:
        """A layer's bytes, uncompressed. Raises OSError where it did not come."""
        with open(self._file(self.blobs[diff_id]), "rb") as file:
            yield from unpacked(file)

    def size(self, diff_id: str) -> int:
        """How many bytes `layer` gives."""
        with open(self._file(self.blobs[diff_id]), "rb") as file:
            return unpacked_size(file)

    def _file(self, digest: str) -> Path:
        return self._folder / digest.partition(":")[2]


@contextmanager
def pushed(
    here: Target, ref: str, image: ImageInfo, folder: Path, has: Callable[[str], bool], limit: float
) -> Iterator[Pushed]:
    """Let the engine here push an image into `folder`, which goes away afterwards.

    Raises NotUnderstood, and what `Target.run` raises: an engine on another machine does not find the receiver.
    """
    noted = folder.parent / "port"  # the same each time: an engine remembers what it pushed by the name it had
    port = noted.read_text() if noted.exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        with _receiver(int(port) if port.isdecimal() else 0, folder, has) as receiver:
            noted.write_text(str(receiver.port))
            name = f"127.0.0.1:{receiver.port}/opslib:{image.id.partition(':')[2][:12]}"
            here.run(docker_script(here.host, _PUSH, ref, name, limit=limit))
        yield Pushed(folder, receiver.manifests, image)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _receiver(port: int, folder: Path, has: Callable[[str], bool]) -> Receiver:
    try:
        return Receiver(port, folder, has)
    except OSError:  # somebody else has it by now
        return Receiver(0, folder, has)
