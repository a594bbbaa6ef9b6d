"""Objects in many clusters: the cases that docs/reliability.md promises, one by one."""

from collections.abc import Mapping
from dataclasses import replace

from leeward.core.differences import differences, merge_patch
from leeward.core.origins import EVERYWHERE, Act, Agreed, Deletion, Held, Revision, View, rule

CLUSTERS = ("a", "b", "c")
FIRST, SECOND = Revision(3, 1), Revision(3, 2)


def held(spec: str, origin: str = "", noted: str = "", at: Revision = FIRST, **more: object) -> Held:
    agreed = Agreed(at, noted) if noted else None
    return replace(Held(spec, origin, agreed=agreed, finalizer=origin in ("", EVERYWHERE)), **more)  # type: ignore[arg-type]


def see(**held_by: Held | None) -> View:
    return View(CLUSTERS, held_by)


def recorded(view: View, record: Deletion, *where: str) -> View:
    return replace(view, deletions=dict.fromkeys(where, record))


def settled(**changes: Held | None) -> View:
    """The origin is a; b and c hold copies."""
    rows: Mapping[str, Held | None] = {
        "a": held("x", "a", "x", finalizer=True),
        "b": held("x", "a", "x"),
        "c": held("x", "a", "x"),
    }
    return see(**{**rows, **changes})


def test_what_one_cluster_has_is_copied_to_the_others() -> None:
    ruling = rule(see(a=held("x"), b=None, c=None), 3)
    assert (ruling.origin, ruling.agreed) == ("a", Agreed(FIRST, "x"))
    assert ruling.writes == (("a", Act.NOTE), ("b", Act.COPY), ("c", Act.COPY))


def test_a_fresh_object_counts_at_once_but_is_not_copied_before_git_had_time_for_the_others() -> None:
    view = replace(see(a=held("x", finalizer=False), b=None, c=None), waited=False)
    assert rule(view, 3).agreed == Agreed(FIRST, "x")
    assert rule(view, 3).writes == (("a", Act.HOLD),)


def test_what_is_settled_is_left_alone() -> None:
    assert rule(settled(), 3).writes == ()


def test_an_edited_copy_is_put_back() -> None:
    ruling = rule(settled(b=held("y", "a", "x")), 3)
    assert ruling.agreed == Agreed(FIRST, "x")
    assert (ruling.differ, ruling.writes) == (("b",), (("b", Act.COPY),))


def test_an_edit_at_the_origin_goes_everywhere() -> None:
    ruling = rule(settled(a=held("y", "a", "x", finalizer=True)), 3)
    assert ruling.agreed == Agreed(SECOND, "y")
    assert ruling.writes == (("a", Act.NOTE), ("b", Act.COPY), ("c", Act.COPY))


def test_an_edit_back_to_the_spec_before_is_an_edit() -> None:
    view = settled(
        a=held("x", "a", "y", SECOND, finalizer=True), b=held("y", "a", "y", SECOND), c=held("y", "a", "y", SECOND)
    )
    assert rule(view, 3).agreed == Agreed(Revision(3, 3), "x")


def test_an_origin_that_was_restored_from_an_older_state_is_brought_forward() -> None:
    view = settled(b=held("y", "a", "y", SECOND), c=held("y", "a", "y", SECOND))
    ruling = rule(view, 3)
    assert ruling.agreed == Agreed(SECOND, "y")
    assert ruling.writes == (("a", Act.COPY),)


def test_a_lost_origin_changes_nothing_and_a_copy_may_be_adopted() -> None:
    lost = see(b=held("x", "a", "x"), c=held("x", "a", "x"))
    assert (rule(lost, 3).origin, rule(lost, 3).writes) == ("a", ())
    adopted = see(b=held("y", "", "x", adoptions=1), c=held("x", "a", "x"))
    ruling = rule(adopted, 3)
    assert (ruling.origin, ruling.adoptions, ruling.agreed) == ("b", 1, Agreed(SECOND, "y"))
    back = rule(replace(adopted, held={**adopted.held, "a": held("z", "a", "x", finalizer=True)}), 3)
    assert (back.origin, dict(back.writes)["a"]) == ("b", Act.COPY)


def test_what_is_absent_anywhere_comes_back() -> None:
    assert rule(settled(b=None), 3).writes == (("b", Act.COPY),)
    assert rule(settled(a=None), 3).writes == (("a", Act.COPY),)
    assert rule(settled(b=held("x", "a", "x", deleted_ms=50)), 3).writes == (("b", Act.RELEASE),)


def test_a_deletion_at_the_origin_is_recorded_before_anything_goes() -> None:
    view = settled(a=held("x", "a", "x", finalizer=True, deleted_ms=50))
    ruling = rule(view, 3)
    record = Deletion(50, FIRST)
    assert (ruling.deletion, ruling.gone, ruling.writes) == (record, False, ())
    assert ruling.agreed == Agreed(FIRST, "x"), "it counts until then"
    assert not rule(recorded(view, record, "a"), 3).gone, "one of three is no majority"
    ruling = rule(recorded(view, record, "a", "b"), 3)
    assert ruling.gone
    assert dict(ruling.writes) == dict.fromkeys(CLUSTERS, Act.REMOVE)


def test_a_region_that_returns_does_not_bring_back_what_was_deleted() -> None:
    view = recorded(see(a=None, b=None, c=held("x", "a", "x")), Deletion(50, FIRST), "a", "b")
    ruling = rule(view, 3)
    assert ruling.gone
    assert ruling.writes == (("c", Act.REMOVE),)


def test_a_new_object_of_the_same_name_is_honoured() -> None:
    view = see(a=held("y", created_ms=60), b=None, c=held("x", "a", "x"))
    ruling = rule(recorded(view, Deletion(50, FIRST), "a", "b"), 3)
    assert (ruling.origin, ruling.agreed, ruling.gone) == ("a", Agreed(SECOND, "y"), False)
    assert ruling.writes == (("a", Act.NOTE), ("b", Act.COPY), ("c", Act.RELEASE))


def test_from_git_what_a_majority_holds_is_in_force_and_nobody_is_overwritten() -> None:
    ruling = rule(see(a=held("x"), b=held("y"), c=held("x")), 3)
    assert (ruling.origin, ruling.agreed, ruling.differ) == (EVERYWHERE, Agreed(FIRST, "x"), ("b",))
    assert dict(ruling.writes) == dict.fromkeys(CLUSTERS, Act.NOTE)


def test_without_a_majority_the_last_agreed_spec_stays() -> None:
    rows = {name: held(name, EVERYWHERE, "x") for name in CLUSTERS}
    ruling = rule(see(**rows), 3)
    assert (ruling.agreed, ruling.undecided) == (Agreed(FIRST, "x"), True)
    assert rule(see(a=held("x"), b=held("y")), 3).agreed is None, "nothing was agreed ever"


def test_from_git_a_minority_deletes_nothing() -> None:
    rows = {name: held("x", EVERYWHERE, "x") for name in CLUSTERS}
    few = rule(see(**{**rows, "a": held("x", EVERYWHERE, "x", deleted_ms=50)}), 3)
    assert (few.deletion, few.writes) == (None, ())
    most = {name: held("x", EVERYWHERE, "x", deleted_ms=50) for name in ("a", "b")}
    assert rule(see(**{**rows, **most}), 3).deletion == Deletion(50, FIRST)


def test_who_sees_too_few_changes_nothing() -> None:
    assert rule(see(a=held("x")), 3).agreed is None
    edited = rule(see(a=held("y", "a", "x", finalizer=True)), 3)
    assert (edited.agreed, edited.writes) == (Agreed(FIRST, "x"), ())


def test_differences_name_fields_and_the_patch_mends_them() -> None:
    wanted = {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": "x"}
    live = {"a": {"b": 2, "c": [1, {"d": 3}]}, "f": "new", "e": "x"}
    assert list(differences(wanted, live)) == [
        ("spec.a.b", 1, 2),
        ("spec.a.c[1].d", 2, 3),
        ("spec.f", None, "new"),
    ]
    assert merge_patch(wanted, live) == {"a": {"b": 1, "c": [1, {"d": 2}]}, "f": None}
    assert merge_patch(wanted, wanted) == {}
