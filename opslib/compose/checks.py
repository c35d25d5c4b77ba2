"""What a service is asked before it counts as healthy, beside Docker's own health check: HTTP, TCP, or a command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opslib.compose.stack import Container
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.settings.health import HealthSpec

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
_REFUSED, _SILENT = 7, 124  # of the asking shell: no connection; no answer in time


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check brought. `code`: 0, or the exit code of whoever asked; `status` of HTTP, 0 without one; whether the
    wanted header and body were there; the last words of a command."""

    code: int = 0
    status: int = 0
    header: bool = True
    body: bool = True
    said: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check made from the server connects to."""

    host: str
    port: int

    def addresses(self, container: Container) -> Iterator[tuple[str, int]]:
        """Where to ask, best first. On `localhost` the port is the container's or, where it has no such one, the
        port that it publishes on the server."""
        if self.host not in _HERE:
            yield self.host, self.port
            return
        tcp = [port for port in container.ports if port.protocol == "tcp"]
        inside = {port.target for port in tcp}
        published = {int(port.published): port.target for port in tcp if port.published.isdigit()}
        behind = self.port if self.port in inside else published.get(self.port, self.port)
        for address in container.networks.values():
            if address:
                yield address, behind
        for port in tcp:
            if port.target == behind and port.published.isdigit():
                yield "127.0.0.1" if port.host_ip in ("", "0.0.0.0", "::") else port.host_ip, int(port.published)
                break
        else:
            if container.network_mode == "host":
                yield "127.0.0.1", self.port


@dataclass(frozen=True, slots=True)
class HttpCheck(Place):
    """GET of `path` must answer with one of `statuses` (none: any 2xx), with a header (its name in small letters, and
    what its value has in it) and with a text in the first 64 KiB of the body; within `seconds` (None: the whole
    wait)."""

    path: str = "/"
    seconds: float | None = None
    statuses: tuple[int, ...] = ()
    header: tuple[str, str] | None = None
    body: str = ""

    @classmethod
    def from_url(
        cls,
        url: str,
        seconds: float | None = None,
        statuses: tuple[int, ...] = (),
        header: tuple[str, str] | None = None,
        body: str = "",
    ) -> HttpCheck:
        """From `http://HOST[:PORT]/PATH`; raises BadSettings for anything else (bash speaks no TLS)."""
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise BadSettings(f"health check {url!r}: {error}") from None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme != "http" or not parts.hostname or not path.isprintable() or " " in path:
            raise BadSettings(f"health check {url!r}: expected http://HOST:PORT/PATH")
        return cls(parts.hostname, port, path, seconds, statuses, header, body)

    def words(self) -> tuple[str, ...]:
        """What the asking script is told: its kind, and what is wanted."""
        return ("http", self.path, *(self.header or ("", "")), self.body)

    def good(self, answer: Answer) -> bool:
        """Whether that is what was wanted."""
        fits = answer.status in self.statuses if self.statuses else 200 <= answer.status < 300
        return answer.code == 0 and fits and answer.header and answer.body

    def shown(self, answer: Answer | None) -> str:
        """The check and its answer in a few words."""
        said = f"GET {self.path}"
        if answer is None or not answer.status:
            return f"{said} on port {self.port} {_unheard(answer, 'sent no HTTP answer')}"
        if not self.good(answer) and (self.good(Answer(status=answer.status))):
            lacks = f"the header {self.header[0]}" if self.header and not answer.header else "the text that is wanted"
            return f"{said} on port {self.port} answered {answer.status} without {lacks}"
        return f"{said} {'' if self.good(answer) else f'on port {self.port} '}answered {answer.status}"


@dataclass(frozen=True, slots=True)
class TcpCheck(Place):
    """A connection must be accepted, within `seconds`."""

    seconds: float | None = None

    def words(self) -> tuple[str, ...]:
        """As of an HTTP check."""
        return ("tcp",)

    def good(self, answer: Answer) -> bool:
        """Whether it was accepted."""
        return answer.code == 0

    def shown(self, answer: Answer | None) -> str:
        """The check and its answer in a few words."""
        good = answer is not None and self.good(answer)
        return f"port {self.port} {'accepts connections' if good else _unheard(answer, 'cannot be reached')}"


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command in the service's container must end with 0, within `seconds`."""

    command: tuple[str, ...]
    seconds: float | None = None

    def addresses(self, container: Container) -> Iterator[tuple[str, int]]:
        """Nowhere: it runs inside."""
        return iter(())

    def words(self) -> tuple[str, ...]:
        """As of an HTTP check."""
        return ("exec", *self.command)

    def good(self, answer: Answer) -> bool:
        """Whether it ended well."""
        return answer.code == 0

    def shown(self, answer: Answer | None) -> str:
        """The check and its answer in a few words."""
        if answer is None:
            return f"{self.command[0]} was not asked yet"
        if answer.code == _SILENT:
            return f"{self.command[0]} did not end in 10 s"
        return f"{self.command[0]} ended with {answer.code}{f': {answer.said}' if answer.code and answer.said else ''}"


Check = HttpCheck | TcpCheck | CommandCheck


def _unheard(answer: Answer | None, otherwise: str) -> str:
    if answer is None:
        return "was not asked yet"
    return {_REFUSED: "refused the connection", _SILENT: "did not answer in 5 s"}.get(answer.code, otherwise)


def check_of(spec: HealthSpec) -> Check:
    """What the host file says of a service. Raises BadSettings for an address that cannot be asked."""
    if spec.command is not None:
        return CommandCheck(spec.command, spec.seconds)
    if spec.tcp is not None:
        return TcpCheck(spec.tcp.host, spec.tcp.port or 0, spec.seconds)
    name, colon, text = (spec.header or "").partition(":")
    return HttpCheck.from_url(spec.url or "", spec.seconds, spec.status, (name, text) if colon else None, spec.body)
