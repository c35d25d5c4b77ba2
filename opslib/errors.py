"""Everything that opslib raises for a person to read.

One tree below `invoke.Exit`, so that Invoke prints the text and exits with the code, never with a traceback::

    OpsError                        1   it failed
    ├── BadSettings                 2   a host file, .env or value on the command line
    ├── Unhealthy                   3   findings, or something that ought to run does not
    ├── Locked                      4   another run holds the lock
    ├── NeedsYes                    5   destructive, no terminal, and no --yes
    ├── Cancelled                 130   interrupted by the user
    ├── CommandFailed               1   a command on a machine ended badly; its outcome is known
    ├── HostLost                    1   the line to a machine broke; the outcome is unknown, look again
    ├── NoDocker                    1   there is no Docker engine there
    ├── DockerNotAllowed            1   there is one, and this user may not use it
    └── CannotConnect               1   no connection was made
        ├── NameNotFound
        ├── Refused
        ├── TimedOut
        ├── HostKeyUnknown
        ├── HostKeyChanged
        └── NoKeyAccepted
"""

from __future__ import annotations

from invoke.exceptions import Exit


class OpsError(Exit):
    """What happened (`what`), on which host, what was left as it was (`left`), the next command to type (`next`)."""

    exit_code = 1

    def __init__(self, what: str, *, host: str | None = None, left: str | None = None, next: str | None = None) -> None:
        self.what, self.host, self.left, self.next = what, host, left, next
        super().__init__(message=self.text(), code=self.exit_code)

    def text(self) -> str:
        """The whole message as it is printed: one line each for what, what was left, and what to type."""
        lines = [f"{self.host}: {self.what}" if self.host else self.what]
        if self.left:
            lines.append(f"  left as it was: {self.left}")
        if self.next:
            lines.append(f"  next: {self.next}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def on(self, host: str) -> OpsError:
        """The same error naming `host`, unless it names one already."""
        if self.host is None:
            self.host = host
            self.message = self.text()
        return self


class BadSettings(OpsError):
    """A host file, a `.env` or a value on the command line that cannot be used."""

    exit_code = 2


class Unhealthy(OpsError):
    """Something was found that needs a person: a service that is not healthy, data that nothing backs up."""

    exit_code = 3


class Locked(OpsError):
    """Another run holds the project's lock."""

    exit_code = 4


class NeedsYes(OpsError):
    """A destructive task without a terminal to ask on and without `--yes`."""

    exit_code = 5


class Cancelled(OpsError):
    """The user interrupted (Ctrl-C, SIGTERM) and what was begun has been ended."""

    exit_code = 130


class CommandFailed(OpsError):
    """A command ended with an exit code that means failure. `codes` are those of its stages, `stderr` is masked."""

    def __init__(
        self,
        what: str,
        *,
        codes: tuple[int, ...] = (),
        stderr: str = "",
        host: str | None = None,
        left: str | None = None,
        next: str | None = None,
    ) -> None:
        self.codes, self.stderr = codes, stderr
        super().__init__(what, host=host, left=left, next=next)


class HostLost(OpsError):
    """The line to the machine broke while something ran there: nobody here knows how it ended."""


class NoDocker(OpsError):
    """The machine has no Docker engine, or it does not run."""


class DockerNotAllowed(OpsError):
    """The machine has a Docker engine that this user may not use."""


class CannotConnect(OpsError):
    """No connection to the machine was made."""


class NameNotFound(CannotConnect):
    """The host's name does not resolve."""


class Refused(CannotConnect):
    """Nothing listens on that port."""


class TimedOut(CannotConnect):
    """No answer in time."""


class HostKeyUnknown(CannotConnect):
    """The host's key is in no known_hosts file."""


class HostKeyChanged(CannotConnect):
    """The host shows another key than the known_hosts file says."""


class NoKeyAccepted(CannotConnect):
    """The host accepted none of our keys; `hop`: a machine on the way there did not."""

    hop = False
