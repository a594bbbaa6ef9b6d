"""Objects in many clusters, at random: what may never happen, whatever the clusters hold and whoever answers."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leeward.core.origins import EVERYWHERE, Act, Agreed, Deletion, Held, Revision, View, rule

CLUSTERS = ("a", "b", "c", "d")
revisions = st.builds(Revision, st.integers(1, 3), st.integers(1, 3))
agreements = st.one_of(
    st.none(), revisions.map(lambda each: Agreed(each, "xyz"[(each.epoch + each.number) % 3]))
)  # one revision is one spec
helds = st.builds(
    Held,
    spec=st.sampled_from("xyz"),
    origin=st.sampled_from(("", EVERYWHERE, "a", "b")),
    adoptions=st.integers(0, 2),
    agreed=agreements,
    finalizer=st.booleans(),
    created_ms=st.integers(0, 100),
    deleted_ms=st.one_of(st.none(), st.integers(0, 100)),
)
deletions = st.builds(Deletion, st.integers(0, 100), revisions)


@st.composite
def views(draw: st.DrawFn, recorded: bool = True) -> View:
    count = draw(st.integers(1, 4))
    names = CLUSTERS[:count]
    answering = [name for name in names if draw(st.booleans())]
    held = {name: draw(st.one_of(st.none(), helds)) for name in answering}
    records = {name: draw(deletions) for name in answering if recorded and draw(st.booleans())}
    return View(names, held, records, draw(st.booleans()))


@given(views(recorded=False), st.integers(4, 9))
def test_absence_deletes_nothing(view: View, epoch: int) -> None:
    alive = {name: each and replace(each, deleted_ms=None) for name, each in view.held.items()}
    ruling = rule(replace(view, held=alive), epoch)
    assert ruling.deletion is None
    assert not ruling.gone
    assert {act for _, act in ruling.writes} <= {Act.HOLD, Act.NOTE, Act.COPY}
    if any(each and each.agreed for each in alive.values()):
        assert ruling.agreed is not None, "what was agreed stays in force while anybody holds it"


@given(views(), st.integers(4, 9))
def test_a_deletion_on_record_wins_over_all_that_is_stale(view: View, epoch: int) -> None:
    ruling = rule(view, epoch)
    records = list(view.deletions.values())
    if not records:
        return
    last = max(records, key=lambda each: (each.revision, each.deleted_ms))
    assert ruling.deletion is not None
    assert ruling.deletion.revision >= last.revision
    fresh = {each.spec for each in view.held.values() if each and not last.covers(each)}
    noted = {each.agreed.spec for each in view.held.values() if each and each.agreed and not last.covers(each)}
    if ruling.agreed is not None:
        assert ruling.agreed.spec in fresh | noted
    for name, each in view.held.items():
        if each is not None and last.covers(each):
            assert dict(ruling.writes).get(name) in (None, Act.RELEASE, Act.REMOVE), "what is stale is never kept"


@given(views(), st.integers(4, 9))
def test_a_spec_of_a_minority_is_never_newly_in_force(view: View, epoch: int) -> None:
    ruling = rule(view, epoch)
    noted = {each.agreed for each in view.held.values() if each and each.agreed}
    if ruling.agreed is None or ruling.agreed in noted:
        return
    assert len(view.held) >= view.majority, "a minority of clusters in view changes nothing"
    votes = Counter(each.spec for each in view.held.values() if each)
    if ruling.origin == EVERYWHERE:
        assert votes[ruling.agreed.spec] >= view.majority
    else:
        source = view.held[ruling.origin]
        assert source is not None
        assert source.spec == ruling.agreed.spec
    seen = [each.revision for each in noted] + [each.revision for each in view.deletions.values()]
    assert all(ruling.agreed.revision > each for each in seen), "revisions only grow"


@given(views(), st.integers(4, 9), st.randoms())
def test_the_same_view_is_the_same_ruling(view: View, epoch: int, random) -> None:  # type: ignore[no-untyped-def]
    names = list(view.held)
    random.shuffle(names)
    turned = replace(
        view,
        held={name: view.held[name] for name in names},
        deletions={name: view.deletions[name] for name in names if name in view.deletions},
    )
    assert rule(turned, epoch) == rule(view, epoch)


@given(views(), st.integers(4, 9))
def test_nothing_is_written_where_nobody_answers_or_too_few_do(view: View, epoch: int) -> None:
    ruling = rule(view, epoch)
    assert {name for name, _ in ruling.writes} <= view.held.keys()
    if not view.enough and not ruling.gone:
        assert not ruling.writes


def done(view: View, epoch: int) -> View:
    """The view after a leader has done all that its ruling says, in every cluster that answers."""
    ruling = rule(view, epoch)
    held = dict(view.held)
    for name, act in ruling.writes:
        mine = held[name]
        if act in (Act.RELEASE, Act.REMOVE):
            held[name] = None
        elif act is Act.HOLD and mine:
            held[name] = replace(mine, finalizer=True)
        elif act is Act.NOTE and mine:
            held[name] = replace(mine, origin=ruling.origin, adoptions=ruling.adoptions, agreed=ruling.agreed)
        elif ruling.agreed:
            finalizer = ruling.origin in (EVERYWHERE, name)
            noted = Held(ruling.agreed.spec, ruling.origin, ruling.adoptions, ruling.agreed, finalizer=finalizer)
            held[name] = replace(noted, created_ms=mine.created_ms if mine else 200)
    records = dict.fromkeys(view.held, ruling.deletion) if ruling.deletion else {}
    return replace(view, held=held, deletions=records or view.deletions, waited=True)  # type: ignore[arg-type]


@given(views(), st.integers(4, 9))
def test_it_comes_to_rest(view: View, epoch: int) -> None:
    for _ in range(8):
        view = done(view, epoch)
    ruling = rule(view, epoch)
    assert ruling.writes == (), view
    if ruling.agreed and view.enough and ruling.origin in view.held:
        for name, each in view.held.items():
            assert each is not None, name
            assert each.agreed == ruling.agreed
