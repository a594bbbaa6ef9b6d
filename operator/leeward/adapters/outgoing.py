"""What every connection to an address from a spec or a Secret keeps to: where it may lead, and how much it may bring.

Whoever may write a Region may name any address. Cloud metadata services hand out credentials to whoever asks from
inside a machine, at addresses that no cluster, gateway or Prometheus has: they are refused after name resolution, so
that neither a name nor a redirect that leads there helps.
"""

import errno
import ipaddress
import socket
from typing import Any

import aiohttp
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

BIGGEST = 64 * 2**20
"""Bytes of one answer: a list of ten thousand objects has a third of that."""
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # link-local (RFC 3927): metadata of AWS, Azure, Google, Oracle
            "fe80::/10",  # link-local (RFC 4291)
            "fd00:ec2::254/128",  # AWS
            "fd20:ce::254/128",  # Google
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's host
        ),
    )
)


def is_metadata(address: str) -> bool:
    """Is it a link-local address, or one at which a cloud serves its metadata? Names are none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = (getattr(found, "ipv4_mapped", None) or found) if found.version == 6 else found
    return any(plain in network for network in _METADATA if network.version == plain.version)


def connector(**options: Any) -> aiohttp.TCPConnector:
    """A connector that opens nothing to a metadata address."""
    return aiohttp.TCPConnector(socket_factory=guarded_socket, **options)


async def body(response: aiohttp.ClientResponse, limit: int = BIGGEST) -> bytes:
    """The whole answer.

    Raises:
        aiohttp.ClientPayloadError: it has more than `limit` bytes.
    """
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > limit:
            response.close()
            raise aiohttp.ClientPayloadError(f"the answer has more than {limit} bytes")
    return bytes(found)


class GuardedAdapter(HTTPAdapter):
    """The same for requests; `server_name` is what the certificate has to name, where that is not the host."""

    def __init__(self, server_name: str | None = None, **options: Any) -> None:
        self._server_name = server_name
        super().__init__(**options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        if self._server_name:
            options |= {"server_hostname": self._server_name, "assert_hostname": self._server_name}
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def bounded(response: requests.Response, limit: int = BIGGEST) -> None:
    """Read the answer of a streamed request, once and for all.

    Raises:
        requests.RequestException: it has more than `limit` bytes.
    """
    found = bytearray()
    for chunk in response.iter_content(65_536):
        found += chunk
        if len(found) > limit:
            response.close()
            raise requests.RequestException(f"the answer has more than {limit} bytes")
    response._content = bytes(found)


def _refuse(address: str) -> None:
    if is_metadata(address):
        raise OSError(errno.EACCES, f"{address} is a link-local or metadata address: nothing of a fleet is there")


def guarded_socket(found: tuple[Any, ...]) -> socket.socket:
    """A socket for an address as `getaddrinfo` gives it.

    Raises:
        OSError: it leads to a metadata address.
    """
    family, kind, protocol, _, address = found
    _refuse(str(address[0]))
    return socket.socket(family, kind, protocol)


class _Checked(HTTPConnection):
    """Hangs up before a byte is sent where the other end is a metadata address."""

    def _new_conn(self) -> socket.socket:
        opened = super()._new_conn()
        try:
            _refuse(str(opened.getpeername()[0]))
        except OSError as error:
            opened.close()
            raise NewConnectionError(self, str(error)) from error
        return opened


class _SecureChecked(_Checked, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Checked


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureChecked
