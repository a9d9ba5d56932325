"""Jobs in a database: who may do what, when several servers come at once or one stays away."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acorn.schemas.problems import Problem
from service.errors import InvalidRequestError, NotFoundError, QueueFullError
from service.jobs.store import JobStore, NewJob, Part
from service.storage.database import Database

LEASE = 600.0
EXPIRED = -1.0


@pytest.fixture
def stores(url: str) -> Iterator[list[JobStore]]:
    """The same jobs, as four servers see them."""
    databases = [Database(url) for _ in range(4)]
    yield [JobStore(database, most_active=5) for database in databases]
    for database in databases:
        database.close()


@pytest.fixture
def store(stores: list[JobStore]) -> JobStore:
    return stores[0]


def job(
    total: int = 4, *, client: str = "", idempotency: str | None = None, digest: str = "d"
) -> NewJob:
    """A job whose parts have two architectures each."""
    return NewJob(
        client=client,
        idempotency=idempotency,
        digest=digest,
        options={"dataset": "cifar10", "forest": "f"},
        total=total,
        parts=dict.fromkeys(range(0, total, 2), '[{"a": 1}, {"a": 2}]'),
    )


def send(store: JobStore, total: int = 4) -> str:
    return store.create(job(total))[0].id


def finish(store: JobStore, part: Part, owner: str = "me") -> bool:
    lines = {index: f"line {index}" for index in range(part.first, part.first + 2)}
    return store.finish(part, owner, lines, done=1, failed=1)


def claim(store: JobStore, owner: str = "me") -> Part:
    part = store.claim(owner, LEASE)
    assert part is not None
    return part


def test_a_job_from_its_beginning_to_its_end(store: JobStore) -> None:
    id_ = send(store)
    queued = store.get(id_, "")
    assert (queued.state, queued.total, queued.done, queued.failed) == ("queued", 4, 0, 0)
    assert queued.started is None
    assert queued.finished is None
    assert queued.rate is None
    assert queued.seconds_left is None
    first, second = claim(store), claim(store)
    assert (first.first, second.first) == (0, 2)
    assert first.items == [{"a": 1}, {"a": 2}]
    assert first.options == {"dataset": "cifar10", "forest": "f"}
    assert store.claim("me", LEASE) is None
    assert finish(store, first)
    running = store.get(id_, "")
    assert (running.state, running.done, running.failed) == ("running", 1, 1)
    assert running.seconds_left is not None
    assert running.seconds_left > 0
    assert finish(store, second)
    done = store.get(id_, "")
    assert (done.state, done.done, done.failed, done.seconds_left) == ("done", 2, 2, 0)
    assert done.finished is not None
    assert done.started is not None
    assert done.created <= done.started <= done.finished
    assert store.lines(id_, 0, 4, most=3) == [(i, f"line {i}") for i in range(3)]
    assert store.lines(id_, 3, 4, most=3) == [(3, "line 3")]


def test_results_can_be_read_up_to_the_first_gap(store: JobStore) -> None:
    id_ = send(store, 6)
    first, second, third = claim(store), claim(store), claim(store)
    assert store.readable(id_, "")[1] == 0
    finish(store, second)
    assert store.readable(id_, "")[1] == 0
    finish(store, first)
    assert store.readable(id_, "")[1] == 4
    finish(store, third)
    assert store.readable(id_, "")[1] == 6


def test_nobody_gets_a_part_that_somebody_has(stores: list[JobStore]) -> None:
    ids = [send(stores[0], 60) for _ in range(2)]
    taken: list[tuple[str, int]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        while (part := stores[number % 4].claim(f"server {number}", LEASE)) is not None:
            with lock:
                taken.append(part.key)
            assert finish(stores[number % 4], part, f"server {number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert sorted(taken) == sorted((id_, first) for id_ in ids for first in range(0, 60, 2))
    for id_ in ids:
        ended = stores[0].get(id_, "")
        assert (ended.state, ended.done, ended.failed) == ("done", 30, 30)
        assert [index for index, _ in stores[0].lines(id_, 0, 60, most=100)] == [*range(60)]


def test_a_part_of_a_dead_server_goes_to_another_which_alone_may_write(
    stores: list[JobStore],
) -> None:
    dead, alive, *_ = stores
    id_ = send(dead, 2)
    part = claim(dead, "dead")
    assert alive.claim("alive", LEASE) is None
    dead.renew("dead", EXPIRED)
    again = claim(alive, "alive")
    assert again.key == part.key
    assert not finish(dead, part, "dead")  # it was not dead after all
    assert alive.get(id_, "").done == 0
    assert finish(alive, again, "alive")
    assert not finish(alive, again, "alive")
    assert alive.get(id_, "").state == "done"
    assert len(alive.lines(id_, 0, 2, most=9)) == 2


def test_a_lease_that_is_renewed_or_given_up(stores: list[JobStore]) -> None:
    mine, other, *_ = stores
    send(mine, 4)
    first, second = claim(mine), claim(mine)
    assert mine.renew("me", EXPIRED) == mine.renew("me", LEASE) == {first.key, second.key}
    assert other.claim("other", LEASE) is None
    mine.release("me", second)
    assert claim(other, "other").key == second.key
    assert mine.renew("me", LEASE) == {first.key}
    mine.release("me")
    assert claim(other, "other").key == first.key


def test_jobs_take_turns(store: JobStore) -> None:
    long, short = send(store, 8), send(store, 4)
    assert [claim(store).job for _ in range(6)] == [long, short, long, short, long, long]


def test_a_cancelled_job_keeps_what_it_has_and_gets_nothing_more(store: JobStore) -> None:
    id_ = send(store, 6)
    first, second = claim(store), claim(store)
    finish(store, first)
    assert store.cancel(id_, "")
    assert not store.cancel(id_, "")
    assert not finish(store, second)
    assert store.claim("me", LEASE) is None
    assert second.key not in store.renew("me", LEASE)
    ended, stop = store.readable(id_, "")
    assert (ended.state, ended.done, ended.failed, stop) == ("cancelled", 1, 1, 6)
    assert len(store.lines(id_, 0, stop, most=9)) == 2


def test_a_job_that_cannot_go_on_says_why(store: JobStore) -> None:
    id_ = send(store)
    claim(store)
    problem = Problem(title="t", status=422, detail="no forest f")
    store.fail(id_, problem)
    failed = store.get(id_, "")
    assert failed.state == "failed"
    assert failed.error == problem


def test_the_same_key_is_the_same_job_also_when_it_arrives_everywhere_at_once(
    stores: list[JobStore],
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda i: stores[i % 4].create(job(idempotency="k")), range(8))]
    assert len({answer.id for answer, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    store = stores[0]
    assert len(store.list("", limit=9, after=None).jobs) == 1
    other, is_new = store.create(job(client="other", idempotency="k", digest="e"))
    assert is_new
    assert other.id != answers[0][0].id
    with pytest.raises(InvalidRequestError) as caught:
        store.find_sent("", "k", "e")
    assert answers[0][0].id in caught.value.errors[0].detail
    with pytest.raises(InvalidRequestError):
        store.create(job(idempotency="k", digest="e"))


def test_what_others_sent_is_not_there(store: JobStore) -> None:
    id_ = store.create(job(client="a"))[0].id
    assert store.get(id_, "a").id == id_
    assert store.list("b", limit=9, after=None).jobs == []
    for forbidden in (store.get, store.cancel, store.remove, store.readable):
        with pytest.raises(NotFoundError):
            forbidden(id_, "b")
    assert store.get(id_, "a").state == "queued"


def test_pages_go_from_the_newest_to_the_oldest(store: JobStore) -> None:
    ids = [send(store, 2) for _ in range(5)]
    page = store.list("", limit=2, after=None)
    assert [each.id for each in page.jobs] == ids[:2:-1]
    assert page.next == f"/jobs?limit=2&after={ids[3]}"
    assert [each.id for each in store.list("", limit=2, after=ids[3]).jobs] == [ids[2], ids[1]]
    last = store.list("", limit=2, after=ids[1])
    assert [each.id for each in last.jobs] == [ids[0]]
    assert last.next is None
    with pytest.raises(NotFoundError):
        store.list("", limit=2, after="nothing")


def test_too_many_jobs_have_to_wait(store: JobStore) -> None:
    ids = [send(store) for _ in range(5)]
    with pytest.raises(QueueFullError):
        send(store)
    store.cancel(ids[0], "")
    assert send(store)


def test_old_jobs_are_forgotten_with_all_that_belongs_to_them(store: JobStore) -> None:
    ended, active = send(store, 2), send(store, 2)
    finish(store, claim(store))
    assert store.clean(3600) == 0
    assert store.clean(EXPIRED) == 1
    with pytest.raises(NotFoundError):
        store.get(ended, "")
    assert store.lines(ended, 0, 2, most=9) == []
    assert store.get(active, "").state == "queued"
