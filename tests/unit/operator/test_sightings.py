"""What many answers become: who fails since when, how many others an observer reaches, how probes went."""

from leeward.ports import Outcome
from leeward.sightings import ProbeBook, ReachBook

NAMES = ("a", "b", "c")
MODEL = ("models", "m")


def seen(book: ReachBook, observer: str, answers: dict[str, bool | None], at_ms: int) -> None:
    for region, answered in answers.items():
        book.note(observer, region, answered, at_ms, at_ms + 100)


def test_a_failure_counts_from_the_start_of_its_first_question() -> None:
    book = ReachBook()
    seen(book, "a", {"b": True}, 0)
    seen(book, "a", {"b": False}, 1_000)
    seen(book, "a", {"b": False}, 2_000)
    (reading,) = book.readings("b", NAMES, 4_000, 5_000)
    assert reading.failing_ms == 3_000


def test_one_answer_ends_a_failure() -> None:
    book = ReachBook()
    seen(book, "a", {"b": False}, 0)
    seen(book, "a", {"b": True}, 1_000)
    assert book.readings("b", NAMES, 1_200, 5_000)[0].failing_ms == 0


def test_an_observer_does_not_count_its_own_region_as_reached() -> None:
    book = ReachBook()
    seen(book, "a", {"a": True, "b": False, "c": False}, 0)
    (reading,) = book.readings("b", NAMES, 200, 5_000)
    assert (reading.reached_others, reading.total_others) == (0, 2)


def test_an_entry_is_an_observer_of_the_others() -> None:
    book = ReachBook()
    seen(book, "via c", {"a": True, "b": False}, 0)
    (reading,) = book.readings("b", NAMES, 200, 5_000)
    assert (reading.observer, reading.reached_others, reading.total_others) == ("via c", 1, 2)


def test_an_entry_is_measured_by_the_regions_that_it_is_asked_about() -> None:
    book = ReachBook()
    seen(book, "via d", {"a": True, "b": False}, 0)
    (reading,) = book.readings("b", ("a", "b", "c", "d", "e", "f"), 200, 5_000)
    assert (reading.reached_others, reading.total_others) == (1, 2)


def test_an_observer_with_a_name_of_its_own_leaves_its_home_out() -> None:
    book = ReachBook(home="a")
    seen(book, "leeward", {"a": True, "b": False}, 0)
    (reading,) = book.readings("b", ("a", "b"), 200, 5_000)
    assert (reading.reached_others, reading.total_others) == (0, 1)


def test_views_that_are_not_renewed_say_nothing() -> None:
    book = ReachBook()
    seen(book, "a", {"b": False}, 0)
    assert book.readings("b", NAMES, 10_000, 5_000) == ()


def test_an_answer_that_says_nothing_changes_nothing() -> None:
    book = ReachBook()
    assert book.note("via c", "b", None, 0, 100) is False
    assert book.readings("b", NAMES, 100, 5_000) == ()


def test_lasting_failures_are_counted_from_their_bound() -> None:
    book = ReachBook()
    seen(book, "a", {"b": False, "c": True}, 0)
    assert [book.lasting(3_000, at) for at in (2_999, 3_000)] == [0, 1]


def test_full_regions_and_missing_paths_are_no_probes() -> None:
    book = ProbeBook((30_000,))
    for outcome in (Outcome.FULL, Outcome.NO_PATH):
        book.note(MODEL, "b", "direct", outcome, "", 0)
    assert book.counts(MODEL, "b", 0) == ()
    assert book.failing(MODEL, "b", 0, 15_000) is None


def test_the_last_word_by_a_path_that_is_lost_is_no_news() -> None:
    book = ProbeBook((30_000,))
    book.note(MODEL, "b", "via c", Outcome.GOOD, "", 0)
    book.note(MODEL, "b", "direct", Outcome.BAD, "", 3_000)
    assert book.failing(MODEL, "b", 3_000, 15_000) is False
    book.note(MODEL, "b", "via c", Outcome.NO_PATH, "", 4_000)
    assert book.failing(MODEL, "b", 4_000, 15_000) is True
    book.note(MODEL, "b", "via c", Outcome.GOOD, "", 5_000)
    assert book.failing(MODEL, "b", 5_000, 15_000) is False


def test_probes_are_tallied_per_path_and_window() -> None:
    book = ProbeBook((30_000, 60_000))
    for at, outcome in ((0, Outcome.BAD), (40_000, Outcome.GOOD), (45_000, Outcome.BAD)):
        book.note(MODEL, "b", "direct", outcome, "", at)
    (counts,) = book.counts(MODEL, "b", 50_000)
    assert [(tally.bad, tally.total) for tally in counts.tallies] == [(1, 2), (2, 3)]
    assert counts.age_ms == 5_000


def test_failing_means_the_newest_probe_of_every_path() -> None:
    book = ProbeBook((30_000,))
    book.note(MODEL, "b", "direct", Outcome.BAD, "", 0)
    assert book.failing(MODEL, "b", 100, 15_000) is True
    book.note(MODEL, "b", "via c", Outcome.GOOD, "", 50)
    assert book.failing(MODEL, "b", 100, 15_000) is False


def test_another_replicas_word_counts_while_its_region_answers() -> None:
    book = ReachBook("op-a", "a", {"op-b": "b"})
    for observer, names in (("op-a", "bc"), ("op-b", "ac")):
        seen(book, observer, dict.fromkeys(names, True), 0)
    seen(book, "op-b", {"c": False}, 1_000)
    heard = {reading.observer: reading for reading in book.readings("c", NAMES, 1_500, 5_000)}
    assert (heard["op-b"].failing_ms, heard["op-b"].reached_others, heard["op-b"].total_others) == (500, 1, 2)
    seen(book, "op-a", {"b": False}, 2_000)
    assert {reading.observer for reading in book.readings("c", NAMES, 2_500, 5_000)} == {"op-a"}
    assert book.views("op-a") == {"b": 2_000, "c": None}
