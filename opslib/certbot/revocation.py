"""Whether the ACME server has taken a certificate back, as its own lists (CRL) or its answering service (OCSP) say."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cryptography import x509

    from opslib.certbot.certificate import Certificate

Answer = Literal["good", "revoked", "unknown", "not told"]
"""`not told`: the certificate names nobody to ask. `unknown`: whoever it names gives no answer."""
Fetch = Callable[[str, bytes | None], bytes]
SECONDS = 8.0
MOST = 32 * 1024 * 1024  # bytes of a list


def fetch(url: str, body: bytes | None = None) -> bytes:
    """The answer of an address; with a body it is posted, as OCSP wants it. Raises OSError."""
    if not url.startswith(("http://", "https://")):
        raise OSError(f"no address that can be asked: {url[:60]}")
    kind = {"Content-Type": "application/ocsp-request"} if body is not None else {}
    with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=SECONDS) as answer:
        got: bytes = answer.read(MOST)
        return got


def look(certificate: Certificate, fetch: Fetch = fetch) -> Answer:
    """Ask OCSP where the certificate names one, else its list. What is not signed by the issuer is no answer."""
    from cryptography.exceptions import InvalidSignature

    chain = certificate.x509
    issuer = chain[1] if len(chain) > 1 else None
    asked = False
    for ask in (_ocsp, _crl):
        try:
            found = ask(chain[0], issuer, fetch)
        except (OSError, ValueError, InvalidSignature):
            asked = True
            continue
        if found in ("good", "revoked"):
            return found
        asked = asked or found == "unknown"
    return "unknown" if asked else "not told"


def _ocsp(one: x509.Certificate, issuer: x509.Certificate | None, fetch: Fetch) -> Answer:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509 import ocsp
    from cryptography.x509.oid import AuthorityInformationAccessOID

    try:
        access = one.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return "not told"
    urls = [each.access_location.value for each in access
            if each.access_method == AuthorityInformationAccessOID.OCSP]  # fmt: skip
    if not urls or issuer is None:
        return "not told"
    request = ocsp.OCSPRequestBuilder().add_certificate(one, issuer, hashes.SHA1()).build()
    answer = ocsp.load_der_ocsp_response(fetch(urls[0], request.public_bytes(serialization.Encoding.DER)))
    if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL or answer.serial_number != one.serial_number:
        return "unknown"
    signer = next((each for each in answer.certificates if _signed(each, issuer)), issuer)
    _verify(signer, answer.signature, answer.tbs_response_bytes, answer.signature_hash_algorithm)
    if answer.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        return "revoked"
    return "good" if answer.certificate_status == ocsp.OCSPCertStatus.GOOD else "unknown"


def _crl(one: x509.Certificate, issuer: x509.Certificate | None, fetch: Fetch) -> Answer:
    from cryptography import x509

    try:
        points = one.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return "not told"
    urls = [name.value for point in points for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)]  # fmt: skip
    if not urls or issuer is None:
        return "not told"
    found = x509.load_der_x509_crl(fetch(urls[0], None))
    if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
        return "unknown"
    return "revoked" if found.get_revoked_certificate_by_serial_number(one.serial_number) is not None else "good"


def _signed(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except Exception:  # whatever is wrong with it, it is not the issuer's
        return False
    return True


def _verify(signer: x509.Certificate, signature: bytes, text: bytes, algorithm: object) -> None:
    """Raises InvalidSignature."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    key = signer.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, text, ec.ECDSA(algorithm))  # type: ignore[arg-type]
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, text, padding.PKCS1v15(), algorithm)  # type: ignore[arg-type]
    else:
        raise ValueError("an answer signed in a way that is not known here")
