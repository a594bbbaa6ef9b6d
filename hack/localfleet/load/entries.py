"""Which entry a user goes to: by share, and elsewhere after a failed connect.

As in a client with several addresses: only a failed CONNECT leads to the next address, and an address that
failed is tried last for a while, not never, so a fleet whose entries have all failed is still tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

AVOID_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One gateway that users know."""

    name: str
    host: str
    port: int


class EntryChoice:
    """The users' address book. `now` is monotonic time in seconds."""

    def __init__(self, entries: list[Entry], shares: Mapping[str, float] | None = None) -> None:
        """Shares are relative; an entry without one gets 1 if there are no shares at all, otherwise 0.

        Raises ValueError for entries or shares that make no sense.
        """
        names = [entry.name for entry in entries]
        shares = shares or {}
        if not entries or len(set(names)) != len(names):
            raise ValueError("There must be at least one entry, and each needs its own name.")
        unknown = sorted(set(shares) - set(names))
        if unknown:
            raise ValueError(f"There is a share for {unknown[0]!r}, but no such entry.")
        self._entries = entries
        self._weights = [shares.get(name, 0.0 if shares else 1.0) for name in names]
        if min(self._weights) < 0 or sum(self._weights) <= 0:
            raise ValueError("Shares must not be negative, and one must be more than 0.")
        self._avoid_until: dict[str, float] = {}

    def pick(self, rng: Random) -> Entry:
        """A user's own entry, by share."""
        return rng.choices(self._entries, self._weights)[0]

    def order(self, own: Entry, now: float) -> list[Entry]:
        """All entries in the order of trying: the own one first, then as listed, recent failures last."""
        others = [entry for entry in self._entries if entry is not own]
        return sorted([own, *others], key=lambda entry: self._avoid_until.get(entry.name, 0.0) > now)

    def failed(self, entry: Entry, now: float) -> None:
        self._avoid_until[entry.name] = now + AVOID_SECONDS

    def connected(self, entry: Entry) -> None:
        self._avoid_until.pop(entry.name, None)
