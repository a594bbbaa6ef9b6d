"""What a region's serve listener says of itself in a TLS handshake: its certificate, and whether it asks for ours."""

import asyncio
import socket
import ssl

from leeward.adapters import outgoing
from leeward.adapters.certificates import Life, life, trusting
from leeward.ports import PortError, Unreachable

_SECONDS = 2.0


class CertificateRefused(PortError):
    """The serve listener's certificate is over, for another name, or of an authority that the Region does not name."""

    reason = "CertificateRefused"
    remedy = "renew it: leeward join, or what issues it; and look at spec.gateway.tls of the Region"


async def certificate_life(host: str, port: int, name: str, context: ssl.SSLContext) -> Life:
    """The life of the certificate that a listener shows for `name`.

    Raises:
        Unreachable: nobody answers there.
        CertificateRefused: it is not to be trusted.
    """
    try:
        _, writer = await _open(host, port, name, context)
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefused(
            f"{host}:{port} shows a certificate that does not hold: {error.verify_message}"
        ) from error
    except ssl.SSLError as error:
        raise _unreachable(host, port, error) from error
    try:
        found = life(writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b"")
    finally:
        writer.close()
    if found is None:
        raise CertificateRefused(f"{host}:{port} shows a certificate that cannot be read")
    return found


async def admits_anybody(host: str, port: int, name: str, authorities: str) -> bool:
    """Does a listener answer to a client that has no certificate?

    Raises:
        Unreachable: nobody answers there.
    """
    context = trusting(authorities)
    try:
        reader, writer = await _open(host, port, name, context)
    except ssl.SSLError:
        return False  # of TLS 1.2, which is refused in the handshake
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(_SECONDS):
            return bool(await reader.read(1))
    except (OSError, TimeoutError):
        return False  # TLS 1.3 refuses with the first bytes after the handshake
    finally:
        writer.close()


async def _open(
    host: str, port: int, name: str, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What `ssl` has against the listener is raised as it is; everything else is Unreachable."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _connected(host, port, name, context)
    except ssl.SSLError:
        raise
    except (OSError, TimeoutError) as error:
        raise _unreachable(host, port, error) from error


def _unreachable(host: str, port: int, error: Exception) -> Unreachable:
    return Unreachable(f"{host}:{port} does not answer to TLS: {str(error) or 'no answer in time'}")


async def _connected(
    host: str, port: int, name: str, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    family, kind, protocol, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
    opened = outgoing.guarded_socket((family, kind, protocol, "", address))
    try:
        opened.setblocking(False)
        await loop.sock_connect(opened, address)
        return await asyncio.open_connection(sock=opened, ssl=context, server_hostname=name)
    except BaseException:
        opened.close()
        raise
