"""The certificate of the simulator, which this process and those that it starts trust for as long as it is used."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import patch

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@contextmanager
def trusted_certificate() -> Iterator[Path]:
    """A file with the certificate and key of 127.0.0.1; it stands beside the usual authorities, as in production."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stripe simulator")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = signed.public_bytes(Encoding.PEM)
    with tempfile.TemporaryDirectory(prefix="qwoty-tls-") as name_of_folder:
        folder = Path(name_of_folder)
        own, trusted = folder / "simulator.pem", folder / "trusted.pem"
        own.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        trusted.write_bytes(Path(requests.certs.where()).read_bytes() + certificate)
        with patch.dict("os.environ", SSL_CERT_FILE=str(trusted), REQUESTS_CA_BUNDLE=str(trusted)):
            yield own
