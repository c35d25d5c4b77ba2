"""The command line of `scripts/lab`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from . import acme, browser, engine, faults, images, registry, scanners, servers, stores
from .shell import LABEL, PREFIX, LabError, lines_to_stderr, one_at_a_time, run, say

FIRST_SERVER = "one"
# What the first server has from the start: everything that an example runs or is built from.
PRELOADED = tuple(image.ref for image in images.IMAGES if image.preloaded)


def main(argv: list[str]) -> int:
    """Exit codes: 0 done, 1 it failed, 2 bad command line, 3 no engine to be had, 130 interrupted."""
    options = _parser().parse_args(argv)
    if options.json:
        lines_to_stderr()
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        if command in (_status, _fault):
            command(options)
        else:
            with one_at_a_time():
                command(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("lab: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/lab", description="Real engines, images, servers to test against.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON object on stdout, all other lines on stderr")
    yes = argparse.ArgumentParser(add_help=False)
    yes.add_argument("--yes", action="store_true", help="install without asking (no terminal means yes)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, does: Callable[[argparse.Namespace], None], text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        sub.set_defaults(command=does)
        return sub

    add("up", _up, "engine, images, the server `one`, the S3 server and Azure's emulator", yes)
    add("engine", _engine, "only see to a Docker engine", yes)
    add("images", _images, "engine and images", yes)
    for program in stores.PROGRAMS:
        sub = add(program.name, _store, f"only see to the {program.what}")
        sub.set_defaults(program=program)
    add("scan", _scan, "only see to Trivy, built from its Go module, and what writes databases for it")
    add("browser", _browser, "only see to Chromium, for the tests of pages")
    add("registry", _registry, "engine and an image registry, on the same loopback port here and on each server", yes)
    add("acme", _acme, "engine, an ACME server with its name server, and certbot's image", yes)
    add("status", _status, "what is there")
    down = add("down", _down, "remove every server, volume and network of the lab")
    down.add_argument("--all", action="store_true", help="also the images, and stop the engine if the lab started it")
    server = add("server", _server, "create, keep or remove one server", yes)
    server.add_argument("name")
    server.add_argument("--port", type=int, help="on 127.0.0.1; default: a free one")
    server.add_argument("--store", choices=("classic", "containerd"), default="classic", help="its image store")
    server.add_argument("--images", default="", help="comma list of images to load into it: postgres,redis or in full")
    bare = "systemd and sshd alone: Debian 13 or 12; engine: Debian 12 with an engine"
    server.add_argument("--bare", choices=sorted(images.BARE), default="", help=bare)
    server.add_argument("--down", action="store_true", help="remove it")
    fault = add("fault", _fault, "break a server, or mend it")
    fault.add_argument("name")
    fault.add_argument("fault", choices=faults.FAULTS)
    return parser


def _up(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    images.ensure()
    servers.ensure(FIRST_SERVER, load=PRELOADED)
    stores.ensure()
    _status(options)


def _engine(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    _status(options)


def _images(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    images.ensure()
    _status(options)


def _store(options: argparse.Namespace) -> None:
    options.program.ensure()
    _status(options)


def _scan(options: argparse.Namespace) -> None:
    scanners.ensure()
    _status(options)


def _browser(options: argparse.Namespace) -> None:
    browser.ensure()
    _status(options)


def _registry(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    registry.ensure()
    _status(options)


def _acme(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    acme.ensure()
    _status(options)


def _server(options: argparse.Namespace) -> None:
    engine.ensure(options.yes)
    if options.down:
        servers.remove(options.name)
    else:
        images.ensure([images.DEBIAN, images.SERVER, *([images.BARE[options.bare]] if options.bare else [])])
        load = [ref for ref in options.images.split(",") if ref]
        servers.ensure(options.name, options.port, options.store, load, options.bare)
    _status(options, options.name)


def _fault(options: argparse.Namespace) -> None:
    faults.apply(options.name, options.fault)
    if options.json:
        _status(options)


def _down(options: argparse.Namespace) -> None:
    if engine.running() is not None:
        for server in servers.listed():
            servers.remove(server.name)
        _remove_labelled()
        if options.all:
            images.remove()
    if options.all:
        images.forget_registry()
        engine.stop()
    if options.json:
        _status(options)


def _remove_labelled() -> None:
    """What is left of the lab: containers of a run that was broken off, volumes, networks."""
    docker, mine = engine.client(), ["--filter", f"label={LABEL}"]
    containers = run([docker, "ps", "-aq", *mine]).split()
    if containers:
        run([docker, "rm", "-f", "-v", *containers])
    for kind in ("volume", "network"):
        for name in run([docker, kind, "ls", "-q", *mine]).split():
            say(f"remove {kind} {name}")
            run([docker, kind, "rm", name])


def _status(options: argparse.Namespace, only: str = "") -> None:
    """Everything; `only` keeps the lines for people to one server."""
    found = engine.running()
    refs = sorted(images.present()) if found else []
    reachable = servers.listed() if found else []
    programs, store = {one.name: one.path() for one in stores.PROGRAMS}, registry.facts() if found else None
    scanner, authority = scanners.facts(), acme.facts() if found else None
    if options.json:
        facts = {
            "engine": found.facts() if found else None,
            "images_prefix": PREFIX,
            "images": refs,
            "servers": [server.facts() for server in reachable],
            **{name: str(path) if path else None for name, path in programs.items()},
            "registry": store,
            "scan": scanner,
            "acme": authority,
        }
        print(json.dumps(facts, indent=2))
        return
    if not only:
        for one in stores.PROGRAMS:
            say(f"{one.what}: {programs[one.name] or f'not there: scripts/lab {one.name}'}")
        say(f"Trivy: {scanner['trivy'] or 'not there: scripts/lab scan'}")
    if found is None:
        say("engine: none answers")
        return
    if not only:
        whose = ", started by the lab" if found.ours else ""
        say(f"engine: Docker {found.version}, Compose {found.compose or 'missing'}, {found.storage}{whose}")
        # the tags that deploys gave them for their releases are theirs, and many
        own = [ref for ref in refs if ref in {image.ref for image in images.IMAGES}]
        say(f"images: {' '.join(own) or 'none'}")
        say(f"registry: {store['address'] if store else 'not started: scripts/lab registry'}")
        say(f"ACME: {authority['server'] if authority else 'not started: scripts/lab acme'}")
    for at in [server for server in reachable if only in ("", server.name)]:
        say(f"server {at.name}: {at.state}, {at.user}@{at.address} port {at.port}, {at.store} image store")
        say(f"  ssh -i {at.key} -o UserKnownHostsFile={at.known_hosts} -p {at.port} {at.user}@{at.address}")
