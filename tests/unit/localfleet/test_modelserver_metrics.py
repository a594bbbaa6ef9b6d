"""The page has the names, types, labels and buckets of a real vLLM server."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from localfleet.modelserver.engine import Engine, Limits, Timing
from localfleet.modelserver.faults import FaultBook

# Cut from a scrape of vLLM 0.32.
SAMPLE = Path(__file__).with_name("vllm_metrics_sample.txt")
# The real server has more labels here; ours are those that a reader of capacity needs.
FEWER_LABELS = {"vllm:cache_config_info"}


def families(page: str) -> dict[str, Metric]:
    return {
        family.name: family for family in text_string_to_metric_families(page) if not family.name.endswith("_created")
    }


def shape(family: Metric) -> set[tuple[str, tuple[str, ...], str | None]]:
    """Sample names, label names and bucket edges, without values."""
    return {
        (sample.name, tuple(sorted(sample.labels)), sample.labels.get("le"))
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture
def exposed() -> dict[str, Metric]:
    async def page() -> str:
        engine = Engine(
            "pod", "tiny", Timing(prefill_base=0.0, itl_base=0.0001), Limits(), FaultBook(), random.Random(1)
        )

        async def drop(_: int) -> None:
            return None

        with engine.admitted():
            await engine.generate(3, 3, "stop", drop)
        engine.metrics.answered("/v1/chat/completions", "POST", 200)
        return engine.metrics.page().decode()

    return families(asyncio.run(page()))


def test_names_and_types_are_the_samples(exposed: dict[str, Metric]) -> None:
    sample = families(SAMPLE.read_text(encoding="utf-8"))
    assert {name: family.type for name, family in exposed.items()} == {
        name: family.type for name, family in sample.items()
    }


def test_labels_and_buckets_are_the_samples(exposed: dict[str, Metric]) -> None:
    for name, family in families(SAMPLE.read_text(encoding="utf-8")).items():
        if name in FEWER_LABELS:
            ours, theirs = (set(one.samples[0].labels) for one in (exposed[name], family))
            assert ours < theirs
        else:
            assert shape(exposed[name]) == shape(family), name


def test_values_of_labels_are_the_samples(exposed: dict[str, Metric]) -> None:
    sample = families(SAMPLE.read_text(encoding="utf-8"))
    for name, label in (
        ("vllm:request_success", "finished_reason"),
        ("vllm:admission_rejections", "reason"),
    ):
        assert [one.labels.get(label) for one in exposed[name].samples] == [
            one.labels.get(label) for one in sample[name].samples
        ]
