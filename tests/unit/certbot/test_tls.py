"""Certificates as they are shown by a real server, their ages, and what OCSP and lists say of them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from opslib.certbot import revocation, served, tls
from opslib.certbot.certificate import Certificate, from_pem
from opslib.certbot.tls import Served, Unreached
from opslib.proxy import first_certificate

NOW = datetime.now(timezone.utc)


class Authority:
    """A CA that gives certificates for `a.test`, with the addresses of its OCSP and its list."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.root = self.sign(self.name, self.key.public_key(), 3650, [
            (x509.BasicConstraints(True, None), True), (usage, True),
            (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)])  # fmt: skip

    def sign(self, subject: x509.Name, key: Any, days: float, extensions: list[Any]) -> x509.Certificate:
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
        )  # fmt: skip
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(self.key, hashes.SHA256())

    def leaf(self, days: float = 60, *, told: bool = True) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        more: list[Any] = [(x509.SubjectAlternativeName([x509.DNSName("a.test")]), False),
                           (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                           (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)]  # fmt: skip
        if told:
            at = x509.UniformResourceIdentifier
            more += [
                (
                    x509.AuthorityInformationAccess(
                        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, at("http://x/ocsp"))]
                    ),
                    False,
                ),
                (x509.CRLDistributionPoints([x509.DistributionPoint([at("http://x/crl")], None, None, None)]), False),
            ]
        one = self.sign(x509.Name([]), key.public_key(), days, more)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return one.public_bytes(serialization.Encoding.PEM) + self.pem(), private

    def pem(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def read(pem: bytes) -> Certificate:
    found = from_pem(pem.decode())
    assert found is not None
    return found


@pytest.fixture
def shows(tmp_path: Path) -> Iterator[Any]:
    """Starts a TLS server with a certificate; gives its port."""
    ended = threading.Event()

    def start(pem: bytes, private: bytes) -> int:
        (tmp_path / "c").write_bytes(pem)
        (tmp_path / "k").write_bytes(private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "c", tmp_path / "k")
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.2)

        def serve() -> None:
            while not ended.is_set():
                try:
                    line, _ = listener.accept()
                    line.settimeout(5)
                    context.wrap_socket(line, server_side=True).close()
                except OSError:
                    continue
            listener.close()

        threading.Thread(target=serve, daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    ended.set()


def test_what_a_server_shows(authority: Authority, shows: Any, tmp_path: Path) -> None:
    pem, private = authority.leaf()
    port = shows(pem, private)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem())
    good = tls.from_here("a.test", "127.0.0.1", ca, port)
    assert good.trusted and good.certificate.serial == read(pem).serial and good.certificate.names == ("a.test",)
    assert read(pem).chain == ("Test CA",) and good.certificate.issuer == "Test CA"
    unknown = tls.from_here("a.test", "127.0.0.1", None, port)
    assert (
        not unknown.trusted and "self-signed" in unknown.why and unknown.certificate.serial == good.certificate.serial
    )
    other = tls.from_here("b.test", "127.0.0.1", ca, port)
    assert not other.trusted and "b.test" in other.why, "a name that it is not for"


def test_nobody_there_and_no_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreached, match="refused"):
        tls.from_here("a.test", "127.0.0.1", None, port)
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            line, _ = plain.accept()
            line.recv(100)
            line.sendall(b"HTTP/1.0 400 no\r\n\r\n")
            line.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreached, match=r"no TLS there|hung up"):
            tls.from_here("a.test", "127.0.0.1", None, plain.getsockname()[1])


def test_what_is_wrong_with_what_is_shown(authority: Authority) -> None:
    disk, old = read(authority.leaf()[0]), read(authority.leaf(5)[0])
    now = NOW.timestamp()
    assert served.problems(disk, [("a.test", Served(disk, "1.2.3.4", "here", True))], now) == []
    told = served.problems(disk, [("a.test", Served(old, "1.2.3.4", "here", True))], now)
    assert told == [
        "a.test at 1.2.3.4 shows one of Test CA with 5.0 days left, not the one on the disk, which has 60.0 days left"
    ]
    first = read(first_certificate.make(["a.test"])[0])
    assert (
        "shows the first one, which is not real"
        in served.problems(disk, [("a.test", Served(first, "x", "here", False))], now)[0]
    )
    assert served.problems(old, [("a.test", Served(old, "x", "here", False, "expired"))], now + 6 * 86400)[0].endswith(
        "has ended 1.0 days ago"
    )
    assert (
        "do not trust: no root"
        in served.problems(disk, [("a.test", Served(disk, "x", "here", False, "no root"))], now)[0]
    )


def test_ages_are_shares_of_a_lifetime(authority: Authority) -> None:
    """Of one of 6 days a quarter is a day and a half; of one of 90 it is three weeks."""
    now = NOW.timestamp()
    six, ninety = read(authority.leaf(5)[0]), read(authority.leaf(89)[0])
    assert six.left(now) > 0.8 and six.left(now + 4 * 86400) < 1 / 4
    assert ninety.left(now + 66 * 86400) > 1 / 4 > ninety.left(now + 68 * 86400)
    assert six.covers(["a.test"]) and not six.covers(["a.test", "b.test"])
    assert from_pem("nothing") is None


@pytest.mark.parametrize("taken", [False, True])
def test_a_certificate_that_was_taken_back(authority: Authority, taken: bool) -> None:
    one = read(authority.leaf()[0])
    leaf = one.x509[0]
    when = NOW - timedelta(hours=1)

    def by_ocsp(url: str, body: bytes | None) -> bytes:
        assert url == "http://x/ocsp" and body and ocsp.load_der_ocsp_request(body).serial_number == leaf.serial_number
        status = ocsp.OCSPCertStatus.REVOKED if taken else ocsp.OCSPCertStatus.GOOD
        made = ocsp.OCSPResponseBuilder().add_response(
            leaf, authority.root, hashes.SHA1(), status, when, NOW + timedelta(days=1), when if taken else None,
            x509.ReasonFlags.superseded if taken else None,
        ).responder_id(ocsp.OCSPResponderEncoding.HASH, authority.root)  # fmt: skip
        return made.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def listed(key: Any) -> bytes:
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.name)
            .last_update(when)
            .next_update(NOW + timedelta(days=1))
        )
        if taken:
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(when).build()
            made = made.add_revoked_certificate(entry)
        return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def by_list(url: str, body: bytes | None) -> bytes:
        if url == "http://x/ocsp":
            raise OSError("nobody there")
        return listed(authority.key)

    def forged(url: str, body: bytes | None) -> bytes:
        if url == "http://x/ocsp":
            raise OSError("nobody there")
        return listed(ec.generate_private_key(ec.SECP256R1()))

    expected = "revoked" if taken else "good"
    assert revocation.look(one, by_ocsp) == expected
    assert revocation.look(one, by_list) == expected
    assert revocation.look(one, forged) == "unknown", "not signed by the issuer"


def test_a_certificate_that_names_nobody_to_ask(authority: Authority) -> None:
    def never(url: str, body: bytes | None) -> bytes:
        raise AssertionError

    assert revocation.look(read(authority.leaf(told=False)[0]), never) == "not told"
