"""Who leads: a lease in a majority of the clusters at once, taken by optimistic locking.

    follows ──▶ asks (its name goes into every free lease) ──▶ leads ──▶ follows
                └── not a majority: gives back, waits, asks again

Two majorities share a cluster, and its API server lets one of two writers through, so there is one leader at most. A
minority of lost clusters takes leadership from nobody. Clocks of different machines are never compared: a lease has
run out when it has not changed for its whole length by the watcher's own monotonic clock (as in client-go's leader
election), and a leader counts its own from before it asked, a tenth shorter, so that clocks may differ in speed by that
much. Each term has an epoch greater than all that the majority has seen; what a late leader still sends is refused by
it. All times are whole milliseconds of one replica's monotonic clock.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Terms:
    """How one replica stands for election. `clusters` are all members of the fleet, reachable or not.

    `rank` is this replica's place among the candidates, from 0: the first asks first, so that two seldom meet.
    """

    me: str
    clusters: tuple[str, ...]
    rank: int = 0
    length_ms: int = 4_000
    renew_ms: int = 1_000
    answer_ms: int = 1_100  # how long an open question may take
    stagger_ms: int = 400

    @property
    def majority(self) -> int:
        """More than half: 1 of 1, 2 of 2, 2 of 3, 3 of 4."""
        return len(self.clusters) // 2 + 1

    @property
    def trusted_ms(self) -> int:
        """How long a leader counts on a lease: a tenth less than everybody else does."""
        return self.length_ms * 9 // 10


@dataclass(frozen=True, slots=True)
class Lease:
    """What one cluster's Lease says; `version` changes with each write. An absent one is free and has version ""."""

    holder: str = ""
    epoch: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Seat:
    """What is known of one cluster's Lease: since when it says what it says, and when it was last read."""

    lease: Lease
    since_ms: int
    read_ms: int


@dataclass(frozen=True, slots=True)
class Book:
    """All that one replica knows. `mine` are the leases that it wrote, by cluster, and when it asked for them."""

    seats: tuple[tuple[str, Seat], ...] = ()
    mine: tuple[tuple[str, int], ...] = ()
    epoch: int = 0  # of this replica's term or candidacy, 0: none
    asked_ms: int = 0  # when the candidacy began
    wait_until_ms: int = 0
    floor: int = 0  # epochs up to this one are over, whatever the leases say


def saw(terms: Terms, book: Book, cluster: str, lease: Lease, now_ms: int) -> Book:
    """A Lease was read. What another one wrote over ours is not ours any more.

    Ask a cluster one thing at a time: an answer that overtakes another would tell of the past.
    """
    seats = dict(book.seats)
    before = seats.get(cluster)
    same = before is not None and before.lease == lease
    seats[cluster] = Seat(lease, before.since_ms if same and before else now_ms, now_ms)
    mine = dict(book.mine)
    if not _of_this_term(terms, book, lease):
        mine.pop(cluster, None)
    return replace(book, seats=tuple(sorted(seats.items())), mine=tuple(sorted(mine.items())))


def wrote(terms: Terms, book: Book, cluster: str, lease: Lease, asked_ms: int, now_ms: int) -> Book:
    """A write of ours was taken; `lease` has the new version. It counts from when it was asked for."""
    book = saw(terms, book, cluster, lease, now_ms)
    if not _of_this_term(terms, book, lease):
        return book
    return replace(book, mine=tuple(sorted({**dict(book.mine), cluster: asked_ms}.items())))


def leads_until(terms: Terms, book: Book) -> int:
    """Until when this replica leads, 0 if it does not: its majority-th youngest lease decides."""
    asked = sorted((asked for name, asked in book.mine if name in terms.clusters), reverse=True)
    if not book.epoch or len(asked) < terms.majority:
        return 0
    return asked[terms.majority - 1] + terms.trusted_ms


def leader_seen(terms: Terms, book: Book, now_ms: int) -> str:
    """Who holds a majority of the leases as far as this replica can see, or ""."""
    held = [
        (seat.lease.holder, seat.lease.epoch)
        for name, seat in book.seats
        if name in terms.clusters and seat.lease.holder and now_ms - seat.since_ms < terms.length_ms
    ]
    return next((holder for holder, epoch in held if held.count((holder, epoch)) >= terms.majority), "")


def step(terms: Terms, book: Book, now_ms: int) -> Book:
    """Begin or end a candidacy. Call it every few hundred milliseconds; `wish` says what then to write where."""
    if leads_until(terms, book) > now_ms:
        return book
    if book.epoch:
        beaten = any(not _may_overwrite(terms, book, seat.lease) for _, seat in book.seats)
        if now_ms - book.asked_ms < terms.answer_ms and not beaten:
            return book  # answers are still coming in
        return resign(book, now_ms + terms.stagger_ms * (1 + terms.rank))
    turn_ms = now_ms - terms.stagger_ms * terms.rank  # the first in rank goes first; the others see it in time
    free = sum(
        _is_free(terms, seat, now_ms) and seat.since_ms + terms.length_ms * bool(seat.lease.holder) <= turn_ms
        for name, seat in book.seats
        if name in terms.clusters
    )
    if now_ms < book.wait_until_ms or free < terms.majority:
        return book
    past = max(book.floor, *(seat.lease.epoch for _, seat in book.seats))
    return replace(book, epoch=past + 1, asked_ms=now_ms, mine=())


def resign(book: Book, until_ms: int) -> Book:
    """Stand down, and not again before `until_ms`; `wish` then gives everything back."""
    return replace(book, epoch=0, mine=(), wait_until_ms=until_ms)


def outranked(book: Book, epoch: int) -> Book:
    """A fence stands at a later epoch than ours (the leases were lost): stand down, and stand again above it."""
    return replace(book, epoch=0, mine=(), floor=max(book.floor, epoch))


def wish(terms: Terms, book: Book, cluster: str, now_ms: int) -> Lease | None:
    """What to put into a cluster's Lease now, if it still has that version (read it when not); None: only read it.

    A lease with our name and epoch that is not counted as ours was written by a request whose answer never came.
    """
    seat = dict(book.seats).get(cluster)
    if seat is None:
        return None
    asked = dict(book.mine).get(cluster)
    ours = seat.lease.holder == terms.me
    if not book.epoch:
        return Lease("", seat.lease.epoch, seat.lease.version) if ours else None
    due = now_ms - asked >= terms.renew_ms if asked is not None else ours or _is_free(terms, seat, now_ms)
    return Lease(terms.me, book.epoch, seat.lease.version) if due and _may_overwrite(terms, book, seat.lease) else None


def _may_overwrite(terms: Terms, book: Book, lease: Lease) -> bool:
    """No lease carries an epoch under two names, or two majorities could lead with it, one after the other."""
    return lease.epoch < book.epoch or _of_this_term(terms, book, lease)


def _of_this_term(terms: Terms, book: Book, lease: Lease) -> bool:
    return (lease.holder, lease.epoch) == (terms.me, book.epoch)


def _is_free(terms: Terms, seat: Seat, now_ms: int) -> bool:
    """Nobody holds it, or it has run out; and it was read lately."""
    run_out = now_ms - seat.since_ms >= terms.length_ms
    return now_ms - seat.read_ms < terms.length_ms and (run_out or seat.lease.holder in ("", terms.me))
