"""The server on a Ray cluster of two nodes, which are processes of this machine."""

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from acorn.client import Client, Retries
from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from service.errors import DeadlineError, QuarantinedError
from service.http.middleware.keys import hash_line
from service.workers import Outcome, PoolLimits, WorkerPool
from service.workers.feature_work import FeatureTask, FeatureWorkFactory
from tests.service.quick_servers import ask, quick_server
from tests.service.servers import PATIENCE, ROOT, Server, children, command_line, until
from tests.service.small_forest import SmallForest
from tests.service.test_pool import done
from tests.service.test_reload import ADMIN, put, reload, version
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
        patch.setenv("RAY_raylet_start_wait_time_s", str(int(PATIENCE)))
        patch.setenv("RAY_health_check_period_ms", "1000")  # a dead node is noticed in seconds
        patch.setenv("RAY_health_check_failure_threshold", "3")
        head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": OBJECTS}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2, object_store_memory=OBJECTS)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def descendants(pid: int) -> Iterator[int]:
    for child in children(pid):
        yield child
        yield from descendants(child)


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


def test_features_are_complete_although_a_node_dies(
    cluster: Any, plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = chain("ray_slow").replace("Literal[4, 8]", "Literal[*range(1, 17)]")
    slow = slow.replace(
        "from torch import nn",
        "import time\n\n        time.sleep(1.0)\n        from torch import nn",
    )
    (plugins / "ray_slow.py").write_text(slow)
    monkeypatch.syspath_prepend(plugins)
    monkeypatch.setenv("ACORN_PLUGINS", "ray_slow")
    doomed = cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)
    raylet = doomed.all_processes["raylet"][0].process.pid
    killed: list[int] = []

    def progress(done: int, total: int) -> None:
        if not killed and any("ray::_compute" in command_line(pid) for pid in descendants(raylet)):
            assert done < total  # so the task that runs is lost
            killed.extend([raylet, *descendants(raylet)])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    recipe = FeatureRecipe.create("cifar10", ["params"], batch_size=2)
    archs = [f"width={width}" for width in range(1, 17)]
    out = tmp_path / "features.parquet"
    table = compute_features(
        recipe, "ray_slow", archs, out, device="cpu", backend="ray", on_progress=progress
    )
    assert killed
    assert table.ids == sorted(f"ray_slow/{arch}" for arch in archs)
    assert table.frame["params"].null_count() == 0
    cluster.remove_node(doomed, allow_graceful=False)


def test_the_manifest_of_kuberay_builds_the_application(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import serve
    from ray.serve.schema import ServeDeploySchema

    settings, service = yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text())
    config = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
    (application,) = config.applications
    module, _, name = application.import_path.partition(":")
    for variable, value in settings["data"].items():
        monkeypatch.setenv(variable, value)
    built = getattr(import_module(module), name)(application.args)
    assert isinstance(built, serve.Application)
    wanted = built._bound_deployment.num_replicas
    assert wanted == int(settings["data"]["ACORN_REPLICAS"])
    assert ray.__version__ == service["spec"]["rayClusterConfig"]["rayVersion"]


@pytest.fixture(scope="module")
def server(
    cluster: Any, small: SmallForest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Two replicas with a worker each, which is all that the cluster has room for."""
    deadly, brief = small.unknown[0], small.unknown[1:21]
    faults = {deadly: "die", **dict.fromkeys(brief, "sleep 0.1")}
    folder = tmp_path_factory.mktemp("ray")
    shutil.copytree(small.folder, folder / "forests")
    with quick_server(
        folder,
        small,
        forests=folder / "forests",
        admin_keys=hash_line("root", ADMIN),
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


def scrape(server: Server) -> dict[str, list[tuple[str, Mapping[str, str], float]]]:
    """Samples of one request, by replica."""
    found: dict[str, list[tuple[str, Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for name, labels, value, *_ in family.samples:
            found.setdefault(labels["replica"], []).append((name, labels, value))
    return found


def requests_of(samples: list[tuple[str, Mapping[str, str], float]]) -> float:
    named = "acorn_request_seconds_count"
    return sum(
        v for name, labels, v in samples if (name, labels.get("route")) == (named, "/predict")
    )


def versions_of(samples: list[tuple[str, Mapping[str, str], float]]) -> set[str]:
    return {labels["version"] for name, labels, _ in samples if name == "acorn_forest_info"}


def test_any_replica_shows_the_metrics_of_all(server: Server, small: SmallForest) -> None:
    until(lambda: len(scrape(server)) == 2)
    before = scrape(server)
    for cell in small.known[:10]:
        assert ask(server, cell).status_code == 200
    for _ in range(4):  # whoever answers
        after = scrape(server)
        assert after.keys() == before.keys()
        assert sum(map(requests_of, after.values())) == sum(map(requests_of, before.values())) + 10
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    families = open_metrics(server.get("/metrics", headers=accept).text)  # type: ignore[no-untyped-call]
    builds = [each.samples for each in families if each.name == "acorn_build_info"]
    assert [{sample.labels["replica"] for sample in each} for each in builds] == [set(before)]


def test_a_reload_reaches_every_replica(server: Server, small: SmallForest) -> None:
    forests = server.folder / "forests"
    put(small, forests, "new", "1.0.0")
    result = reload(server).json()
    assert result["added"] == [f"{small.name}@1.0.0"]
    assert result["replicas"] == 2
    assert {version(ask(server, cell)) for cell in small.known[:20]} == {"1.0.0"}
    assert [*map(versions_of, scrape(server).values())] == [{"0.0.1", "1.0.0"}] * 2
    shutil.rmtree(forests / "new")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: [*map(versions_of, scrape(server).values())] == [{"0.0.1"}] * 2)
    away = forests.rename(forests.with_name("away"))
    failed = reload(server)
    assert failed.status_code == 500
    assert "2 of 2 replicas did not reload" in failed.json()["detail"]
    away.rename(forests)
    assert ask(server, small.known[0]).status_code == 200


def test_a_node_that_dies_costs_its_requests_one_retry(
    cluster: Any, server: Server, small: SmallForest
) -> None:
    until(lambda: len(scrape(server)) == 2)
    before = scrape(server)
    (doomed,) = cluster.worker_nodes
    raylet = doomed.all_processes["raylet"][0].process.pid
    killed = {raylet, *descendants(raylet)}
    assert len(killed & replicas()) == 1
    cluster.add_node(num_cpus=2, object_store_memory=OBJECTS)  # room for what is lost
    over = threading.Event()

    def call(cells: list[str]) -> int:
        calls = 0
        with Client(server.url, timeout=PATIENCE, retries=Retries(attempts=2)) as client:
            while not over.is_set():
                for cell in cells:
                    (answer,) = client.predict(cell, space="nats_tss").predictions
                    assert answer.id == small.id(cell)
                    calls += 1
        return calls

    def is_replaced() -> bool:
        with suppress(httpx.TransportError):  # to the node that dies
            return len(scrape(server).keys() - before) == 1
        return False

    with ThreadPoolExecutor(4) as threads:
        groups = [small.known[:8], small.known[8:16], small.unknown[61:69], small.unknown[69:77]]
        calls = [threads.submit(call, group) for group in groups]
        try:
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            until(is_replaced)  # while every scrape is answered
        finally:
            over.set()
        assert min(each.result() for each in calls) > 0  # and each call got its answer
    cluster.remove_node(doomed, allow_graceful=False)
    assert len(scrape(server)) == 2


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
