"""The certificate that nginx starts with: signed by itself, so that HTTPS is there before the ACME server is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

LIFETIME = timedelta(days=3650)
NOT_REAL = "opslib: not a real certificate"
"""The organisation in it, by which everybody can tell."""


def make(domains: Sequence[str]) -> tuple[bytes, bytes]:
    """Certificate and private key in PEM. It says of itself that it is no real one."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, NOT_REAL)])
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in domains])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + LIFETIME)
        .add_extension(names, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
