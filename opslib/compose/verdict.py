"""Whether a container is healthy: decided from what was seen, without looking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from opslib.compose.project import Service
from opslib.compose.stack import Container
from opslib.errors import BadSettings

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """A check made from the server: GET of `path` must answer 2xx, within `seconds` (None: the whole wait)."""

    host: str
    port: int
    path: str = "/"
    seconds: float | None = None

    @classmethod
    def from_url(cls, url: str, seconds: float | None = None) -> HttpCheck:
        """From `http://HOST[:PORT]/PATH`; raises BadSettings for anything else (bash speaks no TLS)."""
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise BadSettings(f"health check {url!r}: {error}") from None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme != "http" or not parts.hostname or not path.isprintable() or " " in path:
            raise BadSettings(f"health check {url!r}: expected http://HOST:PORT/PATH")
        return cls(parts.hostname, port, path, seconds)

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
class Answer:
    """What an HTTP check brought: the status, or 0 and the exit code of the asking shell."""

    status: int
    code: int = 0

    @property
    def good(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        if self.status:
            return f"answered {self.status}"
        return {7: "refused the connection", 124: "did not answer in 5 s"}.get(self.code, "sent no HTTP answer")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`good`, or `failed` for good, or neither: wait on. `seen` says why, in a few words."""

    seen: str
    good: bool = False
    failed: bool = False


def judge(
    service: Service,
    seen: Container,
    *,
    one_shot: bool,
    restarts: int,
    check: HttpCheck | None,
    answer: Answer | None,
    now: float,
    stable: float,
) -> Verdict:
    """The verdict on one container. `restarts` is its count when the wait began, `now` the server's own clock (Unix
    time), `stable` the seconds that a service without any check must have run."""
    if seen.state in ("exited", "dead"):
        completes = one_shot or (seen.restart_policy in ("no", "on-failure") and not seen.ports and check is None
                                 and not service.ports)  # fmt: skip
        if seen.exit_code == 0 and completes and seen.state == "exited":
            return Verdict("completed", good=True)
        return Verdict(f"it {ended(seen)}", failed=True)
    if seen.state == "restarting":
        return Verdict(f"it keeps restarting: it {ended(seen)}", failed=True)
    if seen.restart_count > restarts:
        return Verdict("it has restarted by itself", failed=True)
    if seen.state == "paused":
        return Verdict("it is paused", failed=True)
    if seen.state != "running":
        return Verdict(f"it is {seen.state}", failed=seen.state == "removing")
    if one_shot:
        return Verdict("it has not completed yet")
    if seen.health == "unhealthy":
        output = f": {' '.join(seen.health_output.split())[:300]}" if seen.health_output else ""
        return Verdict(f"its health check fails{output}", failed=True)
    if seen.health == "starting":
        return Verdict("its health check has not passed yet")
    if check is not None:
        if answer is None or not answer.good:
            return Verdict(f"GET {check.path} on port {check.port} {answer or 'was not asked yet'}")
        return Verdict(f"GET {check.path} {answer}", good=True)
    if seen.health == "healthy":
        return Verdict("healthy", good=True)
    age = now - unix(seen.started_at)
    return Verdict(f"running for {max(0.0, age):.0f} s", good=age >= stable)


def ended(seen: Container) -> str:
    """How the last end of a container reads."""
    if seen.oom_killed:
        return "was killed for using too much memory"
    return f"ended with exit code {seen.exit_code}"


def unix(text: str) -> float:
    """Docker's time (RFC 3339 with up to nine decimals) as Unix time; 0 for one that is none."""
    whole, _, rest = text.rstrip("Z").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if rest else ""
    try:
        return datetime.fromisoformat(f"{whole}.{(digits + '000000')[:6]}{zone or '+00:00'}").timestamp()
    except ValueError:
        return 0.0
