"""Certificates between gateways: made, read, and put to use by a client.

An authority of the fleet signs one certificate per region, good as server and as client, for the one name by which the
other gateways know the region. Keys are ECDSA on P-256; everything is PEM.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from leeward.ports import BadReference, KubeObject

_EARLY = timedelta(minutes=5)  # clocks of gateways that are behind


@dataclass(frozen=True, slots=True)
class Life:
    """From when and until when a token or a certificate is good, in milliseconds since 1970."""

    since_ms: int
    until_ms: int

    def ends_soon(self, now_ms: int) -> bool:
        """Is less than a tenth of it left, or less than a week of a longer life?"""
        return self.until_ms - now_ms < min(7 * 86_400_000, (self.until_ms - self.since_ms) // 10)


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that ends; `what` it is, such as "token"."""

    what: str
    life: Life


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: str
    key: str = field(repr=False)


def make_authority(name: str, seconds: int) -> Pair:
    """An authority that signs certificates, and no other authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    built = (
        _builder(subject, subject, key.public_key(), seconds)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(_pem(built.sign(key, hashes.SHA256())), _key_pem(key))


def issue(authority: Pair, name: str, seconds: int) -> Pair:
    """A certificate for one DNS name, signed by `authority`, good as server and as client.

    Raises:
        BadReference: the authority cannot be read.
    """
    try:
        parent = x509.load_pem_x509_certificate(authority.certificate.encode())
        signer = serialization.load_pem_private_key(authority.key.encode(), None)
    except (ValueError, TypeError) as error:
        raise BadReference("the authority's certificate or key cannot be read") from error
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise BadReference("the authority's key is none of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = (
        _builder(subject, parent.subject, key.public_key(), seconds)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return Pair(_pem(built.sign(signer, hashes.SHA256())), _key_pem(key))


def life(certificate: str | bytes) -> Life | None:
    """The life of a certificate, PEM or DER; None for what is none."""
    try:
        if isinstance(certificate, str):
            found = x509.load_pem_x509_certificate(certificate.encode())
        else:
            found = x509.load_der_x509_certificate(certificate)
        return Life(_ms(found.not_valid_before_utc), _ms(found.not_valid_after_utc))
    except (ValueError, OverflowError):
        return None


def dns_name(certificate: str) -> str:
    """The first DNS name that a certificate is for; empty for what is none."""
    try:
        extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)[0]
    except (ValueError, LookupError, x509.ExtensionNotFound):
        return ""


def secret_of(namespace: str, name: str, pair: Pair, trusted: str) -> KubeObject:
    """The Secret in which gateways find a certificate, its key, and the authorities that they trust."""
    parts = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": trusted}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in parts.items()},
    }


def trusting(authorities: str) -> ssl.SSLContext:
    """How a client without a certificate believes the authorities given, and no others.

    Raises:
        BadReference: they cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificates and names, and knows no authorities yet
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise BadReference("the authorities' certificates cannot be read: see spec.gateway.tls") from error
    return context


def client_context(authorities: str, pair: Pair) -> ssl.SSLContext:
    """How a client proves who it is, and whom it believes: the authorities given and no others.

    Raises:
        BadReference: one of them cannot be used.
    """
    try:
        context = trusting(authorities)
        # ssl takes no key but a file's
        with tempfile.NamedTemporaryFile("w", prefix="leeward-", suffix=".pem") as file:
            file.write(f"{pair.certificate}\n{pair.key}\n")
            file.flush()
            context.load_cert_chain(file.name)
    except (ssl.SSLError, ValueError) as error:
        raise BadReference("the certificates for the serve listener cannot be used: see spec.gateway.tls") from error
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, seconds: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + timedelta(seconds=seconds))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)
