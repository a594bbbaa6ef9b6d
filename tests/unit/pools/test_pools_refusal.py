"""Why Karpenter was refused a machine, from its Events."""

from datetime import UTC, datetime, timedelta
from typing import Any

from leeward.adapters.pools.karpenter import refusal

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def event(claim: str, minutes: float, words: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "NodeClaim", "name": claim},
        "reason": "InsufficientCapacityError",
        "message": f"NodeClaim {claim} event: {words}",
        "lastTimestamp": (NOW - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z"),
    }


def test_the_newest_of_its_own_pools_is_told_in_the_providers_words() -> None:
    events = [
        event("models-llama-1-abc12", 2, "older"),
        event("models-llama-1-def34", 1, "gpu-8x-h100: none left, 2 of 2 are taken"),
        event("models-llama-1-x-def34", 0, "of another pool"),
    ]
    told = refusal(events, ["models-llama-1"], NOW)
    assert told == "NodeClaim models-llama-1-def34 was refused (gpu-8x-h100: none left, 2 of 2 are taken)"


def test_what_is_old_or_of_others_tells_nothing() -> None:
    assert refusal([event("a-1", 6, "long ago")], ["a"], NOW) == ""
    assert refusal([event("b-1", 0, "not ours")], ["a"], NOW) == ""
    assert refusal([], ["a"], NOW) == ""
