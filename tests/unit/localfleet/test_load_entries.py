"""Which entry a user goes to, and what is sent when."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest

from localfleet.load import LoadSettings
from localfleet.load.entries import AVOID_SECONDS, Entry, EntryChoice
from localfleet.load.generator import schedule

A, B, C = (Entry(name, "127.0.0.1", 80) for name in "abc")


def names(choice: EntryChoice, own: Entry, now: float) -> str:
    return "".join(entry.name for entry in choice.order(own, now))


def test_the_own_entry_is_tried_first_and_each_once() -> None:
    assert names(EntryChoice([A, B, C]), B, now=0.0) == "bac"


def test_an_entry_that_failed_is_tried_last_for_a_while() -> None:
    choice = EntryChoice([A, B, C])
    choice.failed(A, now=100.0)
    assert names(choice, A, now=100.0 + AVOID_SECONDS - 0.1) == "bca"
    assert names(choice, A, now=100.0 + AVOID_SECONDS) == "abc"
    choice.failed(A, now=200.0)
    choice.connected(A)
    assert names(choice, A, now=200.1) == "abc"


def test_entries_are_picked_by_share() -> None:
    choice = EntryChoice([A, B, C], {"a": 0.75, "b": 0.25})
    rng = Random(1)
    picked = Counter(choice.pick(rng).name for _ in range(4000))
    assert picked["a"] == pytest.approx(3000, rel=0.05)
    assert picked["c"] == 0


@pytest.mark.parametrize(
    ("entries", "shares"), [([], {}), ([A, A], {}), ([A], {"b": 1.0}), ([A], {"a": 0.0}), ([A], {"a": -1.0})]
)
def test_entries_and_shares_that_make_no_sense_are_refused(entries: list[Entry], shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|no such entry"):
        EntryChoice(entries, shares)


def test_the_schedule_follows_from_the_seed() -> None:
    def asks(seed: int) -> list[object]:
        settings = LoadSettings([A, B], "host", "m", rate=50, duration=20, seed=seed)
        return list(schedule(settings, EntryChoice([A, B])))

    assert asks(7) == asks(7)
    assert asks(7) != asks(8)
    assert len(asks(7)) == pytest.approx(1000, rel=0.1)


def test_without_a_duration_the_schedule_never_ends() -> None:
    settings = LoadSettings([A], "host", "m", rate=50)
    some = list(itertools.islice(schedule(settings, EntryChoice([A])), 500))
    assert some == sorted(some, key=lambda ask: ask.due)
    assert len({ask.prompt for ask in some}) == 500
