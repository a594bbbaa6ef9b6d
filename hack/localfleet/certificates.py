"""Certificates of the regions' gateways, by an authority of the fleet's own, as `leeward join` or cert-manager does."""

from pathlib import Path

from leeward.adapters.certificates import Pair, issue, make_authority, secret_of
from leeward.adapters.objects import HOST_SUFFIX
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
    pair = issue(by or trusted, region + HOST_SUFFIX, seconds)
    return secret_of(GATEWAY_NAMESPACE, SECRET_NAME, pair, trusted.certificate)


def _certificate(fleet: Fleet) -> Path:
    return fleet.folder / "authority.crt"


def _key(fleet: Fleet) -> Path:
    return fleet.folder / "authority.key"
