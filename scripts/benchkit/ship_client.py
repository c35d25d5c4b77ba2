"""Ships an image by opslib, in opslib's environment: SERVER FOLDER IMAGE. Fails where all of it went."""

from __future__ import annotations

import sys

from opslib.images.ship import ship
from opslib.settings.model import Host
from opslib.settings.units import address
from opslib.target.connect import connect


def main(server: str, folder: str, image: str) -> None:
    here = connect(Host(name="local", path=folder))
    target = connect(Host(name=server, path="bench-ship", address=address(server)))
    try:
        shipped = ship(here, target, [image])
        if shipped.refs != (image,) or shipped.whole:
            sys.exit(f"not as it should be: {shipped}")
    finally:
        target.close()


main(*sys.argv[1:])
