"""How many replicas a serve listener is sized for."""

from leeward.elasticity import Sizing


def test_it_starts_at_what_is_wanted_and_pods_that_come_up_do_not_shrink_it() -> None:
    sizing = Sizing()
    assert [sizing.size("a", ready, 6, float(at)) for at, ready in enumerate((0, 1, 3, 6))] == [6, 6, 6, 6]


def test_it_grows_at_once() -> None:
    sizing = Sizing()
    assert [sizing.size("a", ready, 6, 0.0) for ready in (6, 8)] == [6, 8]


def test_it_shrinks_after_a_minute_below_without_a_break() -> None:
    sizing = Sizing()
    steps = ((0.0, 6), (10.0, 4), (40.0, 6), (50.0, 4), (100.0, 4), (110.0, 4))
    assert [sizing.size("a", ready, 6, at) for at, ready in steps] == [6, 6, 6, 6, 6, 4]


def test_a_region_without_ready_replicas_keeps_its_size() -> None:
    sizing = Sizing()
    assert [sizing.size("a", ready, 6, at) for at, ready in ((0.0, 6), (10.0, 0), (100.0, 0))] == [6, 6, 6]
