"""Certificates of the regions' gateways, by an authority of the fleet's own, as `leeward join` or cert-manager does."""

import ssl
from pathlib import Path

from leeward.adapters.certificates import Pair, client_context, issue, make_authority, secret_of
from leeward.adapters.objects import host_name
from leeward.ports import KubeObject
from localfleet.layout import GATEWAY_NAMESPACE, Fleet

SECRET_NAME = "leeward-serve"  # noqa: S105 - its name, as in examples/gateway.yaml
_DAY = 86_400


def make(fleet: Fleet) -> None:
    """Make the fleet's authority."""
    made = make_authority(f"local fleet {fleet.name}", 365 * _DAY)
    fleet.folder.mkdir(parents=True, exist_ok=True)
    _key(fleet).touch(0o600)
    _key(fleet).write_text(made.key)
    _certificate(fleet).write_text(made.certificate)


def authority(fleet: Fleet) -> Pair:
    """What `make` has made."""
    return Pair(_certificate(fleet).read_text(), _key(fleet).read_text())


def secret(fleet: Fleet, region: str, *, by: Pair | None = None, seconds: int = 90 * _DAY) -> KubeObject:
    """The Secret of a region's gateway, with a new certificate; `by` another authority than the fleet's."""
    trusted = authority(fleet)
    pair = issue(by or trusted, host_name(region), seconds)
    return secret_of(GATEWAY_NAMESPACE, SECRET_NAME, pair, trusted.certificate)


def client(fleet: Fleet, by: Pair | None = None) -> ssl.SSLContext:
    """What a client needs that trusts the fleet's authority; its own certificate may be `by` another."""
    trusted = authority(fleet)
    return client_context(trusted.certificate, issue(by or trusted, host_name("somebody"), 3600))


def _certificate(fleet: Fleet) -> Path:
    return fleet.folder / "authority.crt"


def _key(fleet: Fleet) -> Path:
    return fleet.folder / "authority.key"
