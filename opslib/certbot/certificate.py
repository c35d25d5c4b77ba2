"""A certificate as a value, read from PEM or from what a server shows; ages as a share of its lifetime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

DUE = 1 / 3  # of its lifetime is left: time to renew. Lifetimes become shorter, so never a number of days
LATE = 1 / 4  # is left: somebody has to look


@dataclass(frozen=True, slots=True)
class Certificate:
    """`serial` in hexadecimal; times are seconds since 1970, `names` the domains, `issuer` who signed it. `chain`: the
    issuers behind it, as far as they came along. `itself`: it has signed itself. `x509`: all of it."""

    serial: str
    begins: float
    ends: float
    names: tuple[str, ...]
    issuer: str
    chain: tuple[str, ...] = ()
    itself: bool = False
    x509: tuple[x509.Certificate, ...] = field(default=(), repr=False, compare=False)

    def left(self, now: float) -> float:
        """The share of its lifetime that is left, 1 to 0, and below it afterwards."""
        return (self.ends - now) / max(1.0, self.ends - self.begins)

    def days(self, now: float) -> float:
        """The days that are left, to a tenth."""
        return round((self.ends - now) / 86400, 1)

    def covers(self, domains: Sequence[str]) -> bool:
        """Whether it is for these domains, and no others."""
        return set(self.names) == set(domains)

    def as_json(self, now: float) -> dict[str, Any]:
        """As it stands in a record."""
        return {"serial": self.serial, "begins": _stamp(self.begins), "ends": _stamp(self.ends),
                "days": self.days(now), "left": round(self.left(now), 3), "names": list(self.names),
                "issuer": self.issuer, "chain": list(self.chain)}  # fmt: skip


def from_pem(text: str) -> Certificate | None:
    """The first certificate of a text, with the others as its chain; None where there is none that can be read."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return None
    return _read(found)


def from_der(data: bytes) -> Certificate:
    """The certificate that a server shows. Raises ValueError."""
    from cryptography import x509

    return _read([x509.load_der_x509_certificate(data)])


def _read(found: Sequence[x509.Certificate]) -> Certificate:
    from cryptography import x509

    one = found[0]
    try:
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        domains = tuple(names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        domains = ()
    return Certificate(
        serial=f"{one.serial_number:x}", begins=one.not_valid_before_utc.timestamp(),
        ends=one.not_valid_after_utc.timestamp(), names=domains, issuer=_called(one.issuer),
        chain=tuple(_called(each.subject) for each in found[1:]), itself=one.issuer == one.subject, x509=tuple(found),
    )  # fmt: skip


def _called(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for one in name.get_attributes_for_oid(kind):
            return str(one.value)
    return name.rfc4514_string() or "nobody"


def _stamp(seconds: float) -> str:
    from datetime import timezone

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
