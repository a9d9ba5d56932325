"""The worker pool under real processes: what is answered, and what happens when workers die."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from acorn.errors import AcornError, InputError
from service.errors import (
    ComputationError,
    DeadlineError,
    QuarantinedError,
    QueueFullError,
    TooMuchWorkError,
    UnavailableError,
)
from service.workers import Outcome, PoolLimits, WorkerPool
from tests.service.work_functions import Factory

T = TypeVar("T")


@asynccontextmanager
async def pool_of(
    workers: int = 1, *, factory: Factory | None = None, **limits: Any
) -> AsyncIterator[WorkerPool[str, str]]:
    pool = WorkerPool[str, str](factory or Factory(), PoolLimits(workers=workers, **limits))
    pool.start()
    try:
        yield pool
    finally:
        await pool.stop()
        assert pool.pids == []


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def until_ready(pool: WorkerPool[str, str], workers: int = 1) -> None:
    await until(lambda: pool.state.ready == workers)


async def one(pool: WorkerPool[str, str], payload: str) -> Outcome[str] | AcornError:
    return (await pool.compute({payload: payload}))[payload]


def done(answer: Outcome[str] | AcornError) -> Outcome[str]:
    """Check that the work was done."""
    assert isinstance(answer, Outcome), answer
    return answer


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_come_under_their_keys_with_their_times() -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:
            results = await pool.compute({"a": "x", "b": "sleep 0.1", "c": "z"})
            assert {key: done(outcome).result for key, outcome in results.items()} == {
                "a": "x",
                "b": "sleep 0.1",
                "c": "z",
            }
            assert done(results["b"]).seconds >= 0.1
            assert done(results["a"]).queue_seconds > 0.0

    asyncio.run(scenario())


def test_a_key_under_way_is_computed_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = tmp_path / "log"
        async with pool_of(2, factory=Factory(log)) as pool:
            answers = await asyncio.gather(*(one(pool, "sleep 0.2") for _ in range(20)))
            assert [done(answer).result for answer in answers] == ["sleep 0.2"] * 20
            assert log.read_text().splitlines() == ["sleep 0.2"]

    asyncio.run(scenario())


def test_an_error_of_the_work_is_its_callers_own_and_the_worker_goes_on() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            await until_ready(pool)
            before = pool.pids
            results = await pool.compute({"a": "raise oh", "b": "input-error hm", "c": "fine"})
            assert isinstance(results["a"], ComputationError)
            assert "RuntimeError: oh" in str(results["a"])
            assert isinstance(results["b"], InputError)
            assert str(results["b"]) == "hm"
            assert done(results["c"]).result == "fine"
            assert pool.pids == before

    asyncio.run(scenario())


def test_a_job_survives_the_death_of_its_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:
            job = f"die-once {tmp_path / 'died'}"
            results = await pool.compute({job: job, **{str(i): str(i) for i in range(20)}})
            assert all(isinstance(result, Outcome) for result in results.values())
            assert pool.state.restarts == 1
            await until_ready(pool, 2)

    asyncio.run(scenario())


@pytest.mark.slow
def test_what_kills_workers_twice_is_quarantined_and_harms_nobody_else() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            results = await pool.compute({"die": "die", "a": "a", "b": "b"})
            assert isinstance(results["die"], QuarantinedError)
            assert done(results["a"]).result == "a"
            assert done(results["b"]).result == "b"
            assert pool.state.restarts == 2
            assert isinstance(await one(pool, "die"), QuarantinedError)
            assert pool.state.restarts == 2  # it was not tried again

    asyncio.run(scenario())


def test_an_idle_worker_that_is_killed_is_replaced() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            await until_ready(pool)
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)
            await until(lambda: pool.state.ready == 0)
            await until_ready(pool)
            assert pool.pids != [pid]
            assert done(await one(pool, "x")).result == "x"

    asyncio.run(scenario())


@pytest.mark.slow
def test_fifty_requests_survive_the_kill_of_a_worker() -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:
            await until_ready(pool, 2)
            requests = [asyncio.create_task(one(pool, f"sleep 0.02{i}")) for i in range(50)]
            await asyncio.sleep(0.1)
            os.kill(pool.pids[0], signal.SIGKILL)
            answers = await asyncio.gather(*requests)
            assert [done(answer).result for answer in answers] == [
                f"sleep 0.02{i}" for i in range(50)
            ]
            await until_ready(pool, 2)

    asyncio.run(scenario())


def test_a_stuck_job_ends_at_its_deadline_with_its_worker() -> None:
    async def scenario() -> None:
        async with pool_of(computing_seconds=0.3) as pool:
            await until_ready(pool)
            (pid,) = pool.pids
            assert isinstance(await one(pool, "sleep 60"), DeadlineError)
            assert done(await one(pool, "x")).result == "x"
            assert not alive(pid)
            assert isinstance(await one(pool, "sleep 60"), DeadlineError)
            assert isinstance(await one(pool, "sleep 60"), QuarantinedError)

    asyncio.run(scenario())


def test_a_full_queue_refuses_all_of_a_request_and_says_when_to_come_back() -> None:
    async def scenario() -> None:
        async with pool_of(queue_size=2) as pool:
            await until_ready(pool)
            busy = asyncio.create_task(one(pool, "sleep 0.5"))
            await until(lambda: pool.state.computing == 1)
            with pytest.raises(QueueFullError) as caught:
                await pool.compute({"a": "a", "b": "b", "c": "c"})
            with pytest.raises(TooMuchWorkError):
                await pool.compute({str(i): "x" for i in range(4)})
            assert (caught.value.retry_after or 0) >= 1
            assert pool.state.waiting == 0
            waiting = asyncio.create_task(pool.compute({"a": "a", "b": "b"}))
            await until(lambda: pool.state.waiting == 2)
            with pytest.raises(QueueFullError):
                await one(pool, "c")
            # What is under way already takes no more room.
            shared = asyncio.create_task(pool.compute({"a": "a", "sleep 0.5": "sleep 0.5"}))
            assert done(await busy).result == "sleep 0.5"
            assert done((await waiting)["b"]).result == "b"
            assert done((await shared)["a"]).result == "a"

    asyncio.run(scenario())


def test_a_job_waits_no_longer_than_its_limit() -> None:
    async def scenario() -> None:
        async with pool_of(waiting_seconds=0.2) as pool:
            await until_ready(pool)
            busy = asyncio.create_task(one(pool, "sleep 0.6"))
            await until(lambda: pool.state.computing == 1)
            late = await one(pool, "late")
            assert isinstance(late, UnavailableError)
            assert late.retry_after is not None
            assert done(await busy).result == "sleep 0.6"

    asyncio.run(scenario())


def test_a_job_that_nobody_waits_for_any_more_is_not_begun(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = tmp_path / "log"
        async with pool_of(factory=Factory(log)) as pool:
            busy = asyncio.create_task(one(pool, "sleep 0.3"))
            gone = asyncio.create_task(one(pool, "gone"))
            await until(lambda: pool.state.waiting >= 1)
            gone.cancel()
            await busy
            await one(pool, "last")
            assert log.read_text().splitlines() == ["sleep 0.3", "last"]

    asyncio.run(scenario())


def test_no_worker_gets_work_before_it_is_ready() -> None:
    async def scenario() -> None:
        async with pool_of(factory=Factory(delay=0.5)) as pool:
            assert pool.state.ready == 0
            outcome = await one(pool, "x")
            assert done(outcome).queue_seconds >= 0.5

    asyncio.run(scenario())


@pytest.mark.slow
def test_workers_that_cannot_start_are_said_so_at_once() -> None:
    async def scenario() -> None:
        async with pool_of(factory=Factory(fail="no such device")) as pool:
            async with asyncio.timeout(30):
                first = asyncio.create_task(one(pool, "early"))
                await until(lambda: pool.state.restarts >= 3)
                with pytest.raises(UnavailableError, match="no such device"):
                    await one(pool, "x")
                first.cancel()

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_worker_that_hangs_at_its_start_is_killed() -> None:
    async def scenario() -> None:
        async with pool_of(factory=Factory(delay=60), starting_seconds=1.0) as pool:
            (pid,) = pool.pids
            await until(lambda: "did not start within 1 s" in pool.reason)
            await until(lambda: not alive(pid))

    asyncio.run(scenario())


def test_workers_are_recycled_without_a_lost_job() -> None:
    async def scenario() -> None:
        async with pool_of(recycle_after=2) as pool:
            answers = [await pool.compute({str(i): "pid"}) for i in range(4)]
            pids = {done(answer).result for each in answers for answer in each.values()}
            assert len(pids) == 2

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_worker_that_holds_too_much_memory_is_recycled() -> None:
    async def scenario() -> None:
        async with pool_of(recycle_bytes=256 * 2**20) as pool:
            work = ["pid", "pid", f"hold {300 * 2**20}", "pid"]
            results = [(await pool.compute({str(i): each})) for i, each in enumerate(work)]
            pids = [done(results[i][str(i)]).result for i in (0, 1, 3)]
            assert pids[0] == pids[1] != pids[2]
            assert done(results[2]["2"]).result == work[2]
            assert pool.state.restarts == 1

    asyncio.run(scenario())


def test_results_are_reported_even_if_the_caller_has_gone() -> None:
    async def scenario() -> None:
        reported: list[tuple[str, str, str]] = []
        pool = WorkerPool[str, str](
            Factory(), PoolLimits(), on_result=lambda *args: reported.append(args)
        )
        pool.start()
        try:
            caller = asyncio.create_task(pool.compute({"key": "sleep 0.2"}))
            await until(lambda: pool.state.computing == 1)
            caller.cancel()
            await until(lambda: reported == [("key", "sleep 0.2", "sleep 0.2")])
        finally:
            await pool.stop()

    asyncio.run(scenario())


def test_stopping_ends_busy_workers_and_answers_those_who_wait() -> None:
    async def scenario() -> None:
        async with pool_of() as pool:
            await until_ready(pool)
            (pid,) = pool.pids
            request = asyncio.create_task(pool.compute({"a": "sleep 60", "b": "b"}))
            await until(lambda: pool.state.computing == 1)
            await pool.stop()
            assert all(isinstance(e, UnavailableError) for e in (await request).values())
            assert not alive(pid)
            with pytest.raises(UnavailableError):
                await one(pool, "x")

    asyncio.run(scenario())
