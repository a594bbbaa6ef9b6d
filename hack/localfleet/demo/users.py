"""The users of the demo's model, and how many of them a region admits at once."""

from pathlib import Path

from localfleet.bootstrap import documents
from localfleet.demo.stage import MODEL_FILE
from localfleet.demo.watch import Slots
from localfleet.layout import USERS_PORT, Fleet
from localfleet.load.entries import Entry
from localfleet.load.generator import Load, LoadSettings


def users_load(fleet: Fleet, rate: float, seed: int, out: Path | None = None, seconds: float | None = None) -> Load:
    """Requests per second through all entries, for so many seconds or until stopped."""
    body = documents(MODEL_FILE)[0]["spec"]
    entries = [Entry(region.name, region.address, USERS_PORT) for region in fleet.regions]
    return Load(
        LoadSettings(entries, body["traffic"]["hostnames"][0], body["model"]["name"], rate, seconds, seed=seed), out
    )


def slots() -> Slots:
    """What a region's serve listener admits."""
    spec = documents(MODEL_FILE)[0]["spec"]
    return Slots(int(spec["capacity"]["concurrencyPerReplica"]), int(spec["regions"][0]["replicas"]["min"]))
