"""The server on a Ray cluster of two nodes, which are processes of this machine."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from service.errors import DeadlineError, QuarantinedError
from service.workers import Outcome, PoolLimits, WorkerPool
from service.workers.feature_work import FeatureTask, FeatureWorkFactory
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import PATIENCE, ROOT, Server, children, command_line, until
from tests.service.small_forest import SmallForest
from tests.service.test_pool import done
from tests.service.work_functions import Factory
from tests.spaces.test_plugins import chain
from training.features.compute import compute_features

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("ray.serve", reason="needs the extra ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="starts a cluster of processes"),
    # Ray's own, of sockets and files that it leaves to the interpreter's end.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(600),
]

OBJECTS = 100 * 2**20


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for plugins, on the path of the nodes."""
    return tmp_path_factory.mktemp("plugins")


@pytest.fixture(scope="module")
def cluster(plugins: Path) -> Iterator[Any]:
    """Two nodes of two processors each, to which this process is connected."""
    from ray.cluster_utils import Cluster

    # What workers are to import is in these folders.
    path = os.pathsep.join(map(str, (ROOT, Path(__file__).parent, plugins)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": OBJECTS}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2, object_store_memory=OBJECTS)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


async def until_ready(pool: WorkerPool[Any, Any], workers: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while pool.state.ready != workers:
            await asyncio.sleep(0.02)


def test_the_pool_is_the_same_on_actors(cluster: Any, tmp_path: Path) -> None:
    from service.workers.ray_worker import RayWorkers

    async def scenario() -> None:
        log = tmp_path / "log"
        limits = PoolLimits(workers=4, computing_seconds=2.0)
        pool = WorkerPool[str, str](Factory(log), limits, start_worker=RayWorkers(cpus=1.0))
        pool.start()
        try:
            await until_ready(pool, 4)
            before = set(pool.pids)
            assert len(before) == 4  # so both nodes have some

            # A key is computed once, whoever asks.
            asked = [pool.compute({"shared": "sleep 0.3"}) for _ in range(10)]
            answers = await asyncio.gather(*asked)
            assert [done(each["shared"]).result for each in answers] == ["sleep 0.3"] * 10
            assert log.read_text().splitlines() == ["sleep 0.3"]

            # The death of an actor costs nobody an answer, and its own job two tries.
            once = f"die-once {tmp_path / 'died'}"
            work = {"die": "die", once: once, **{str(i): str(i) for i in range(20)}}
            results = await pool.compute(work)
            assert isinstance(results.pop("die"), QuarantinedError)
            assert {key: done(each).result for key, each in results.items()} == {
                key: key for key in results
            }
            assert isinstance((await pool.compute({"die": "die"}))["die"], QuarantinedError)
            assert pool.state.restarts == 3

            # One that is stuck is ended at its deadline, one that is killed idly is replaced.
            await until_ready(pool, 4)
            stuck = await pool.compute({"stuck": "sleep 60"})
            assert isinstance(stuck["stuck"], DeadlineError)
            await until_ready(pool, 4)
            os.kill(pool.pids[0], signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):
                while pool.state.restarts < 5:
                    await asyncio.sleep(0.02)
            await until_ready(pool, 4)
            assert isinstance((await pool.compute({"x": "x"}))["x"], Outcome)
        finally:
            await pool.stop()
        assert pool.pids == []

    asyncio.run(scenario())


def test_plugins_are_found_by_actors_and_tasks(
    cluster: Any, plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.workers.ray_worker import RayWorkers

    (plugins / "ray_plugin.py").write_text(chain("ray_chain"))
    monkeypatch.syspath_prepend(plugins)
    recipe = FeatureRecipe.create("cifar10", ["params"], batch_size=2)

    async def scenario(factory: FeatureWorkFactory) -> object:
        limits = PoolLimits(workers=1)
        start = RayWorkers(cpus=1.0)
        pool = WorkerPool[FeatureTask, FeatureRow](factory, limits, start_worker=start)
        pool.start()
        try:
            await until_ready(pool, 1)
            return (await pool.compute({"a": FeatureTask("ray_chain", "width=4", recipe)}))["a"]
        finally:
            await pool.stop()

    # Without a name, the actor does not know the space.
    assert "ray_chain" in str(asyncio.run(scenario(FeatureWorkFactory(device="cpu"))))
    monkeypatch.setenv("ACORN_PLUGINS", "ray_plugin")  # the nodes run already
    outcome = asyncio.run(scenario(FeatureWorkFactory(device="cpu")))
    assert isinstance(outcome, Outcome), outcome
    assert outcome.result.id == "ray_chain/width=4"
    out = tmp_path / "features.parquet"
    archs = ["width=4", "width=8"]
    table = compute_features(recipe, "ray_chain", archs, out, device="cpu", backend="ray")
    assert table.ids == ["ray_chain/width=4", "ray_chain/width=8"]


@pytest.fixture(scope="module")
def server(
    cluster: Any, small: SmallForest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Two replicas with a worker each, which is all that the cluster has room for."""
    deadly, brief = small.unknown[0], small.unknown[1:21]
    faults = {deadly: "die", **dict.fromkeys(brief, "sleep 0.1")}
    with quick_server(
        tmp_path_factory.mktemp("ray"),
        small,
        faults=faults,
        backend="ray",
        replicas=2,
        workers=1,
        ray_address=cluster.address,
    ) as server:
        yield server
    assert server.process.returncode == 0, server.log
    assert not replicas()


def test_replicas_answer_as_one_server(server: Server, small: SmallForest) -> None:
    assert ask(server, small.known[0]).status_code == 200
    assert ask(server, "nonsense").status_code == 422
    with ThreadPoolExecutor(20) as threads:
        cells = small.unknown[1:21]
        answers = [*threads.map(lambda cell: ask(server, cell), cells)]
    assert [each.status_code for each in answers] == [200] * len(cells)
    found = [each.json()["predictions"][0]["id"] for each in answers]
    assert found == [small.id(cell) for cell in cells]
    dead = ask(server, small.unknown[0])
    assert dead.status_code == 500
    assert "worker processes died" in dead.json()["detail"]


def test_a_job_is_shared_by_replicas(server: Server, small: SmallForest) -> None:
    cells = small.known[:20] + small.unknown[21:61]
    body = {"architectures": [{"space": "nats_tss", "arch": cell} for cell in cells]}
    sent = httpx.post(f"{server.url}/jobs", json=body, timeout=60.0)
    assert sent.status_code == 202
    job = f"{server.url}{sent.headers['location']}"
    with httpx.stream("GET", f"{job}/events", timeout=60.0) as events:
        assert any("event: end" in line for line in events.iter_lines())
    lines = httpx.get(f"{job}/result").text.splitlines()
    assert len(lines) == len(cells)
    assert httpx.get(job).json()["done"] == len(cells)


def descendants(pid: int) -> Iterator[int]:
    for child in children(pid):
        yield child
        yield from descendants(child)


def replicas() -> set[int]:
    """Process ids of the replicas, on both nodes."""
    return {pid for pid in descendants(os.getpid()) if "ServeReplica" in command_line(pid)}


def test_a_replica_that_is_killed_is_replaced(server: Server, small: SmallForest) -> None:
    before = replicas()
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    codes = [ask(server, cell).status_code for cell in small.known]
    assert codes.count(200) >= len(codes) - 1  # one may have been on its way to the replica
    until(lambda: len(replicas() - before) == 1 and server.says("ready"))
