"""Checks of an installation, each with advice for what is wrong."""

import asyncio
import math
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

import sqlalchemy as sa
from packaging.requirements import Requirement
from packaging.version import Version

from acorn.client import (
    Client,
    ClientError,
    ConnectionFailed,
    ProblemError,
    Unauthorized,
    Unavailable,
)
from acorn.errors import AcornError, InputError
from acorn.features.feature_table import FeatureRow, split_row_id
from acorn.spaces import SPACES
from service.prediction.predictor import Predictor
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle
from service.settings import Settings
from service.storage.cache import FeatureCache
from service.storage.database import Database, DatabaseError
from service.storage.feature_store import FeatureStore
from service.storage.tables import features
from service.workers import Outcome, PoolLimits, WorkerPool
from service.workers.feature_work import FeatureTask, FeatureWorkFactory

DISTRIBUTION = "acorn-nas"
SHOWN = ("torch", "scikit-learn", "numpy", "polars")
"""Packages whose versions are shown."""

LITTLE_SPACE = 256 * 2**20
"""Bytes of free disk space below which the check warns."""

CLOSE = 0.01
"""Largest relative difference between two computations of a feature that is accepted."""

SERVER_SECONDS = 10.0
_POLL_SECONDS = 0.05

_SERVER_ADVICE: dict[type[ClientError], str] = {
    ConnectionFailed: "start it (acorn serve), or check the address, its port and its firewall",
    Unavailable: "wait, or read its log",
    Unauthorized: "set ACORN_API_KEY to a key that the server knows",
    ProblemError: "read its log",
}

Status = Literal["ok", "warning", "error"]
Pool: TypeAlias = WorkerPool[FeatureTask, FeatureRow]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    check : str
        Name of the check.
    status : {"ok", "warning", "error"}
        With a warning the installation works, but results may differ from what is expected.
    message : str
        One line.
    advice : str, default=""
        What to do; empty if the status is ok.
    """

    check: str
    status: Status
    message: str
    advice: str = ""


def examine(settings: Settings, *, url: str | None = None) -> Iterator[Finding]:
    """Run all checks, one after the other.

    Parameters
    ----------
    settings : Settings
        Settings of the server, or of predictions on the command line.
    url : str, default=None
        Address of a running server to check as well.

    Yields
    ------
    Finding
    """
    yield from _catch("packages", check_packages)
    yield from _catch("device", lambda: check_device(settings))
    yield from _catch("files", lambda: check_folder(settings.var))
    yield from _catch("database", lambda: check_database(settings.store_url))
    plugins = [*_catch("plugins", check_plugins)]
    yield from plugins
    if any(finding.status == "error" for finding in plugins):
        return  # the other checks look up spaces
    try:
        forests = ModelRepository(settings.forests)
    except InputError as error:
        yield Finding("forests", "error", str(error), _FORESTS_ADVICE)
    else:
        yield from _catch("forests", lambda: check_forests(forests, settings.forests))
        yield from _catch("versions", lambda: check_versions(forests))
        if forests.snapshot.newest:
            yield from _catch("worker", lambda: asyncio.run(_check_work(settings, forests)))
    if url is not None:
        yield from _catch("server", lambda: check_server(url))


def check_packages() -> Iterator[Finding]:
    """Check that the required packages are installed, in supported versions."""
    try:
        declared = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        message = f"{DISTRIBUTION} is not installed; it runs from its source folder"
        yield Finding("packages", "warning", message, "install it: make serve, or pip install .")
        return
    required = [item for item in declared if not item.marker or item.marker.evaluate({"extra": ""})]
    versions = [(item.name, _version(item.name), item.specifier) for item in required]
    wrong = [
        f"{name} is {version or 'not installed'}; expected {specifier}"
        for name, version, specifier in versions
        if version is None or not specifier.contains(version, prereleases=True)
    ]
    for message in wrong:
        advice = "install the versions of requirements.lock: rm -r .venv && make serve"
        yield Finding("packages", "error", message, advice)
    if not wrong:
        shown = ", ".join(f"{name} {_version(name)}" for name in SHOWN)
        message = f"{len(required)} as required: Python {platform.python_version()}, {shown}"
        yield Finding("packages", "ok", message)


def check_device(settings: Settings) -> Iterator[Finding]:
    """Check that the device for computing proxies exists."""
    import torch

    count = torch.cuda.device_count()
    if settings.device == "cuda" and not count:
        advice = "use --device auto or cpu, or install a torch that finds the GPU and its driver"
        yield Finding("device", "error", "got the device cuda; no CUDA device is available", advice)
    elif settings.device == "cpu" or not count:
        yield Finding("device", "ok", f"cpu, {settings.threads} thread(s) a worker")
    else:
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
        yield Finding("device", "ok", f"cuda: {names}")


def check_folder(folder: Path) -> Iterator[Finding]:
    """Check that the var folder is writable and has free space."""
    advice = "give --var (ACORN_VAR) a folder that this user may write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"acorn")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("files", "error", f"cannot write to {folder}: {error.strerror}", advice)
        return
    message = f"{folder} is writable, with {free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE:
        advice = "free disk space, or give another --var (ACORN_VAR)"
        yield Finding("files", "warning", message, advice)
    else:
        yield Finding("files", "ok", message)


def check_database(url: str) -> Iterator[Finding]:
    """Check that the database is reachable and writable, and has the tables."""
    advice = (
        "check --database-url (ACORN_DATABASE_URL) and that its server runs; a file has to be in "
        "a folder that this user may write. Without a database, features are not stored and there "
        "are no jobs"
    )
    try:
        database = Database(url)
    except InputError as error:
        yield Finding("database", "error", str(error), advice)
        return
    shown = sa.make_url(url).render_as_string(hide_password=True)
    probe = {
        **dict.fromkeys(("key", "settings", "id", "dataset"), "acorn doctor"),
        **dict.fromkeys(("values", "reasons"), "{}"),
        "seconds": 0.0,
    }
    try:
        with database.transaction(write=True) as connection:
            connection.execute(sa.delete(features).where(features.c.key == probe["key"]))
            connection.execute(sa.insert(features).values(probe))
            connection.execute(sa.delete(features).where(features.c.key == probe["key"]))
            n = connection.execute(sa.select(sa.func.count()).select_from(features)).scalar_one()
    except DatabaseError as error:
        yield Finding("database", "error", f"{shown}: {error.reason}", advice)
    else:
        message = f"{shown} is writable, and has the features of {n} architectures"
        yield Finding("database", "ok", message)
    finally:
        database.close()


def check_plugins() -> Iterator[Finding]:
    """Check that the plugins can be imported, and list their spaces."""
    try:
        SPACES.load_plugins()
    except InputError as error:
        advice = "repair or uninstall the package, or change --plugin (ACORN_PLUGINS)"
        yield Finding("plugins", "error", str(error), advice)
        return
    shown = [
        f"{', '.join(spaces)} of {plugin.name} ({plugin.source})"
        for plugin, spaces in SPACES.plugins.items()
    ]
    yield Finding("plugins", "ok", "; ".join(shown) or "none")


_FORESTS_ADVICE = "give --forests (ACORN_FORESTS) a folder with a bundle in each of its subfolders"


def check_forests(forests: ModelRepository, folder: Path) -> Iterator[Finding]:
    """Check that every bundle matches its manifest."""
    for refused in forests.snapshot.refused:
        advice = f"replace {refused.name} by an intact copy, or remove it"
        yield Finding("forests", "error", f"{refused.name}: {refused.reason}", advice)
    if names := [forest.full_name for forest in forests.snapshot]:
        yield Finding("forests", "ok", f"{', '.join(names)} in {folder}")
    else:
        yield Finding("forests", "error", f"no valid bundle in {folder}", _FORESTS_ADVICE)


def check_versions(forests: ModelRepository) -> Iterator[Finding]:
    """Check that the installed torch has the minor version that the bundles were made with.

    Other libraries do not affect predictions: the trees are arrays, which Acorn evaluates itself.
    """
    installed = metadata.version("torch")
    others: dict[str, list[str]] = {}
    for forest in forests.snapshot:
        version = forest.bundle.manifest.libraries.get("torch")
        if version is not None and _minor(version) != _minor(installed):
            others.setdefault(version, []).append(forest.full_name)
    for version, names in others.items():
        message = f"torch is {installed}; {', '.join(names)} were made with {version}"
        advice = f"if the worker check below is not ok, install torch {version}"
        yield Finding("versions", "warning", message, advice)
    if not others:
        yield Finding("versions", "ok", f"torch {installed}, as in the bundles")


async def _check_work(settings: Settings, forests: ModelRepository) -> list[Finding]:
    factory = FeatureWorkFactory(
        device=settings.device, threads=settings.threads, log_level="critical"
    )
    pool = Pool(factory, PoolLimits.model_validate(settings).model_copy(update={"workers": 1}))
    pool.start()
    try:
        finding = await check_worker(pool, forests)
        if finding.status == "error":
            return [finding]
        return [finding, *await check_predictions(pool, settings, forests)]
    finally:
        await pool.stop()


async def check_worker(pool: Pool, forests: ModelRepository) -> Finding:
    """Check that a worker starts, and that it computes a row of a bundle's table."""
    advice = "run acorn predict with an architecture that is in no table, or read the server's log"
    while not (pool.state.ready or pool.reason):
        await asyncio.sleep(_POLL_SECONDS)
    if pool.reason:
        return Finding("worker", "error", pool.reason, advice)
    # The forest with most features tests most of the worker.
    forest = max(forests.snapshot.newest.values(), key=lambda bundle: len(bundle.recipe.names))
    task, row = _table_row(forest)
    outcome = (await pool.compute({forest.full_name: task}))[forest.full_name]
    network = f"a network of {task.space} for {forest.full_name}"
    if not isinstance(outcome, Outcome):
        return Finding("worker", "error", f"cannot compute {network}: {outcome}", advice)
    done = f"computed {network} in {outcome.seconds:.1f} s"
    if row is None:
        return Finding("worker", "ok", done)
    difference, feature = _largest_difference(task.recipe.names, row, outcome.result)
    if difference > CLOSE:
        message = f"{done}; {feature} differs by {difference:.0%} from the bundle's table"
        advice = "use --device cpu and the versions of requirements.lock, or expect errors"
        return Finding("worker", "warning", message, advice)
    return Finding("worker", "ok", f"{done}, within {CLOSE:.0%} of the bundle's table")


async def check_predictions(
    pool: Pool, settings: Settings, forests: ModelRepository
) -> list[Finding]:
    """Check that every forest predicts an example."""
    cache = FeatureCache(FeatureStore(Database(settings.store_url)))
    predictor = Predictor(
        forests, cache, pool.compute, max_architectures=1, max_explanations=sys.maxsize
    )
    try:
        return [await _predict(predictor, forest) for forest in forests.snapshot.newest.values()]
    finally:
        predictor.close()
        cache.close()


def check_server(url: str) -> Iterator[Finding]:
    """Check that a server runs at an address, is ready, and accepts this user's key."""
    with Client(url, timeout=SERVER_SECONDS, deadline=SERVER_SECONDS) as client:
        try:
            client.live()
            ready = client.health()
            client.forests()
        except (ConnectionFailed, ProblemError) as error:
            advice = next(text for kind, text in _SERVER_ADVICE.items() if isinstance(error, kind))
            yield Finding("server", "error", f"{url}: {error}", advice)
        else:
            workers = f"{ready.workers.ready} of {ready.workers.wanted} workers"
            message = f"{url} is ready, with {len(ready.forests)} forests and {workers}"
            yield Finding("server", "ok", message)


def _catch(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Run a check; an unexpected exception is a finding as well."""
    try:
        yield from check()
    except Exception as error:
        text = str(error) if isinstance(error, AcornError) else f"{type(error).__name__}: {error}"
        advice = "install Acorn again; if the error persists, report it"
        yield Finding(name, "error", " ".join(text.split()), advice)


async def _predict(predictor: Predictor, forest: ServedBundle) -> Finding:
    space = SPACES[forest.example.space]
    document = {
        "architectures": [{"space": space.name, "arch": space.example}],
        "forest": forest.full_name,
    }
    try:
        answer = await predictor.predict(document)
    except AcornError as error:
        advice = "see the checks of the worker and the forests above"
        return Finding("prediction", "error", f"{forest.full_name}: {error}", advice)
    target, value = next(iter(answer.predictions[0].targets.items()))
    source = answer.predictions[0].feature_source
    unit = answer.target_details[target].unit
    shown = f"{target} {value.value:.4g} ({value.lower:.4g} to {value.upper:.4g}) {unit}"
    message = f"{forest.full_name}: {space.name} example has {shown}; features: {source}"
    return Finding("prediction", "ok", message)


def _table_row(forest: ServedBundle) -> tuple[FeatureTask, FeatureRow | None]:
    """Return the first row of the forest's table, or an example without a row if it is empty."""
    ids = forest.bundle.table.ids
    if not ids:
        return forest.example, None
    id_, image_size = split_row_id(ids[0])
    space, _, canonical = id_.partition("/")
    task = FeatureTask(space, canonical, forest.recipe, image_size)
    return task, forest.bundle.table.row(ids[0])


def _largest_difference(
    names: Iterable[str], known: FeatureRow, computed: FeatureRow
) -> tuple[float, str]:
    """Find the feature with the largest relative difference; returns difference and name."""
    pairs = ((name, known.values.get(name), computed.values.get(name)) for name in names)
    return max(((_difference(a, b), name) for name, a, b in pairs), default=(0.0, ""))


def _difference(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else math.inf
    return abs(a - b) / max(abs(a), abs(b), 1e-12)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _minor(version: str) -> tuple[int, int]:
    parsed = Version(version)
    return parsed.major, parsed.minor
