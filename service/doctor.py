"""Whether an installation is sound: small checks, each with what to do where it fails."""

import asyncio
import math
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

import sqlalchemy as sa
from packaging.requirements import Requirement
from packaging.version import Version

from acorn.client import (
    Client,
    ConnectionFailed,
    ProblemError,
    Unauthorized,
    Unavailable,
)
from acorn.errors import AcornError, InputError
from acorn.features.table import FeatureRow
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
NAMED = ("torch", "scikit-learn", "numpy", "polars")
"""Packages whose versions are shown."""

LITTLE_SPACE = 256 * 2**20
CLOSE = 0.01
"""Relative difference between two computations of a feature that is no cause for concern."""

SERVER_SECONDS = 10.0
_POLL_SECONDS = 0.05

State = Literal["sound", "doubtful", "failed"]
Pool: TypeAlias = WorkerPool[FeatureTask, FeatureRow]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check
        What was looked at.
    state
        Doubtful is what works and may still surprise.
    found
        What was found, in one line.
    advice
        What to do about it; empty where it is sound.
    """

    check: str
    state: State
    found: str
    advice: str = ""


def examine(settings: Settings, *, url: str | None = None) -> Iterator[Finding]:
    """Check everything, one thing after the other.

    Parameters
    ----------
    settings
        Of the server or of predictions at the command line.
    url
        A running server to ask as well.
    """
    yield from _guarded("packages", check_packages)
    yield from _guarded("device", lambda: check_device(settings))
    yield from _guarded("files", lambda: check_folder(settings.var))
    yield from _guarded("database", lambda: check_database(settings.store_url))
    try:
        forests = ModelRepository(settings.forests)
    except InputError as error:
        yield Finding("forests", "failed", str(error), _FORESTS_ADVICE)
    else:
        yield from _guarded("forests", lambda: check_forests(forests, settings.forests))
        yield from _guarded("versions", lambda: check_versions(forests))
        if forests.snapshot.newest:
            yield from _guarded("worker", lambda: asyncio.run(_check_work(settings, forests)))
    if url is not None:
        yield from _guarded("server", lambda: check_server(url))


def check_packages() -> Iterator[Finding]:
    """What the package needs is installed, in versions that it supports."""
    try:
        wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        found = f"{DISTRIBUTION} is not installed; it runs from its source"
        yield Finding("packages", "doubtful", found, "install it: make serve, or pip install .")
        return
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    advice = "install what requirements.lock pins: rm -r .venv && make serve"
    wrong = 0
    for requirement in wanted:
        version = _version(requirement.name)
        if version is None:
            found = f"{requirement.name} is not installed; expected {requirement.specifier}"
        elif not requirement.specifier.contains(version, prereleases=True):
            found = f"{requirement.name} is {version}; expected {requirement.specifier}"
        else:
            continue
        wrong += 1
        yield Finding("packages", "failed", found, advice)
    if not wrong:
        named = ", ".join(f"{name} {_version(name)}" for name in NAMED)
        found = f"{len(wanted)} as required: Python {platform.python_version()}, {named}"
        yield Finding("packages", "sound", found)


def check_device(settings: Settings) -> Iterator[Finding]:
    """There is the device that proxies are to be computed on."""
    import torch

    count = torch.cuda.device_count()
    if settings.device == "cuda" and not count:
        advice = "use --device auto or cpu, or install a torch that finds the GPU and its driver"
        yield Finding("device", "failed", "cuda, and there is no CUDA device", advice)
    elif settings.device == "cpu" or not count:
        yield Finding("device", "sound", f"cpu, {settings.threads} thread(s) a worker")
    else:
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
        yield Finding("device", "sound", f"cuda: {names}")


def check_folder(folder: Path) -> Iterator[Finding]:
    """The var folder can be written, and has room."""
    advice = "give --var (ACORN_VAR) a folder that this user may write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"acorn")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("files", "failed", f"cannot write to {folder}: {error.strerror}", advice)
        return
    found = f"{folder} can be written, {free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE:
        yield Finding("files", "doubtful", found, "make room, or move it with --var (ACORN_VAR)")
    else:
        yield Finding("files", "sound", found)


def check_database(url: str) -> Iterator[Finding]:
    """The database answers, has the tables, and takes rows."""
    advice = (
        "check --database-url (ACORN_DATABASE_URL) and that its server runs; a file has to be in "
        "a folder that this user may write. Without it, nothing is remembered and there are no jobs"
    )
    try:
        database = Database(url)
    except InputError as error:
        yield Finding("database", "failed", str(error), advice)
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
        yield Finding("database", "failed", f"{shown}: {error.reason}", advice)
    else:
        found = f"{shown} can be written, and knows the features of {n} functions"
        yield Finding("database", "sound", found)
    finally:
        database.close()


_FORESTS_ADVICE = "give --forests (ACORN_FORESTS) a folder with a bundle in each of its subfolders"


def check_forests(forests: ModelRepository, folder: Path) -> Iterator[Finding]:
    """Every bundle is what its manifest says."""
    for refused in forests.snapshot.refused:
        advice = f"replace {refused.name} by a sound copy, or remove it"
        yield Finding("forests", "failed", f"{refused.name}: {refused.reason}", advice)
    if names := [forest.full_name for forest in forests.snapshot]:
        yield Finding("forests", "sound", f"{', '.join(names)} in {folder}")
    else:
        yield Finding("forests", "failed", f"no sound bundle in {folder}", _FORESTS_ADVICE)


def check_versions(forests: ModelRepository) -> Iterator[Finding]:
    """Proxies are computed by the torch that computed those of the bundles.

    Of all libraries, only torch has a say in predictions: trees are arrays, and walked here.
    """
    installed = metadata.version("torch")
    others: dict[str, list[str]] = {}
    for forest in forests.snapshot:
        made = forest.bundle.manifest.libraries.get("torch")
        if made is not None and _minor(made) != _minor(installed):
            others.setdefault(made, []).append(forest.full_name)
    for made, names in others.items():
        found = f"torch is {installed}; {', '.join(names)} were made with {made}"
        advice = "see whether the worker, below, computes what the bundles hold; else install that"
        yield Finding("versions", "doubtful", found, advice)
    if not others:
        yield Finding("versions", "sound", f"torch {installed}, which the bundles were made with")


async def _check_work(settings: Settings, forests: ModelRepository) -> list[Finding]:
    async with _one_worker(settings) as pool:
        finding = await check_worker(pool, forests)
        found = [finding]
        if finding.state != "failed":
            found += [each async for each in check_predictions(pool, settings, forests)]
    return found


async def check_worker(pool: Pool, forests: ModelRepository) -> Finding:
    """A worker starts, and computes for a network of a bundle's table what the table has."""
    advice = "acorn predict with an architecture of your own says more; so does acorn serve's log"
    while not (pool.state.ready or pool.reason):
        await asyncio.sleep(_POLL_SECONDS)
    if pool.reason:
        return Finding("worker", "failed", pool.reason, advice)
    # The more a forest reads, the more the worker is put to the test.
    forest = max(forests.snapshot.newest.values(), key=lambda each: len(each.recipe.names))
    task, row = _known(forest)
    outcome = (await pool.compute({forest.full_name: task}))[forest.full_name]
    what = f"a network of {task.space} for {forest.full_name}"
    if not isinstance(outcome, Outcome):
        return Finding("worker", "failed", f"cannot compute {what}: {outcome}", advice)
    done = f"computed {what} in {outcome.seconds:.1f} s"
    if row is None:
        return Finding("worker", "sound", done)
    difference, feature = _largest_difference(task.recipe.names, row, outcome.result)
    if difference > CLOSE:
        found = f"{done}; {feature} is {difference:.0%} off the bundle's table"
        advice = "use --device cpu and the versions of requirements.lock, or expect worse values"
        return Finding("worker", "doubtful", found, advice)
    return Finding("worker", "sound", f"{done}, as the bundle's table has it")


async def check_predictions(
    pool: Pool, settings: Settings, forests: ModelRepository
) -> AsyncIterator[Finding]:
    """Every forest predicts an example."""
    cache = FeatureCache(FeatureStore(Database(settings.store_url)))
    predictor = Predictor(
        forests, cache, pool.compute, max_architectures=1, max_explanations=sys.maxsize
    )
    try:
        for forest in forests.snapshot.newest.values():
            yield await _predict(predictor, forest)
    finally:
        predictor.close()
        cache.close()


def check_server(url: str) -> Iterator[Finding]:
    """A server runs at an address, is ready, and lets this user ask."""
    with Client(url, timeout=SERVER_SECONDS, deadline=SERVER_SECONDS) as client:
        try:
            client.live()
            ready = client.health()
            client.forests()
        except ConnectionFailed as error:
            advice = "start it (acorn serve), or check the address, its port and its firewall"
            yield Finding("server", "failed", f"{url}: {error}", advice)
        except Unavailable as error:
            yield Finding("server", "failed", f"{url}: {error}", "wait, or see what its log says")
        except Unauthorized as error:
            advice = "set ACORN_API_KEY to a key that the server knows"
            yield Finding("server", "failed", f"{url}: {error}", advice)
        except ProblemError as error:
            yield Finding("server", "failed", f"{url}: {error}", "see what its log says")
        else:
            workers = f"{ready.workers.ready} of {ready.workers.wanted} workers"
            found = f"{url} is ready, with {len(ready.forests)} forests and {workers}"
            yield Finding("server", "sound", found)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Run a check; what nobody foresaw is a finding as well."""
    try:
        yield from check()
    except Exception as error:
        said = str(error) if isinstance(error, AcornError) else f"{type(error).__name__}: {error}"
        yield Finding(name, "failed", " ".join(said.split()), "install Acorn anew; else report it")


@asynccontextmanager
async def _one_worker(settings: Settings) -> AsyncIterator[Pool]:
    factory = FeatureWorkFactory(
        device=settings.device, threads=settings.threads, log_level="critical"
    )
    limits = PoolLimits(
        waiting=settings.waiting_seconds,
        computing=settings.computing_seconds,
        starting=settings.starting_seconds,
    )
    pool = Pool(factory, limits)
    pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def _predict(predictor: Predictor, forest: ServedBundle) -> Finding:
    space = SPACES[forest.example.space]
    document = {
        "architectures": [{"space": space.name, "arch": space.example}],
        "forest": forest.full_name,
    }
    try:
        answer = await predictor.predict(document)
    except AcornError as error:
        advice = "see whether the worker and the forests, above, are sound"
        return Finding("prediction", "failed", f"{forest.full_name}: {error}", advice)
    target, value = next(iter(answer.predictions[0].targets.items()))
    source = answer.predictions[0].feature_source
    said = f"{target} {value.value:.2f} ({value.lower:.2f} to {value.upper:.2f})"
    found = f"{forest.full_name}: {space.name} example has {said}; features: {source}"
    return Finding("prediction", "sound", found)


def _known(forest: ServedBundle) -> tuple[FeatureTask, FeatureRow | None]:
    """Find a network that the forest's table has, or any where it has none."""
    ids = forest.bundle.table.ids
    if not ids:
        return forest.example, None
    space, _, canonical = ids[0].partition("/")
    return FeatureTask(space, canonical, forest.recipe), forest.table_rows(ids[:1])[ids[0]]


def _largest_difference(
    names: Iterable[str], known: FeatureRow, computed: FeatureRow
) -> tuple[float, str]:
    """Relative difference of the feature that differs most, and its name."""
    pairs = ((name, known.values.get(name), computed.values.get(name)) for name in names)
    return max(((_difference(one, other), name) for name, one, other in pairs), default=(0.0, ""))


def _difference(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other) / max(abs(one), abs(other), 1e-12)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _minor(version: str) -> tuple[int, int]:
    parsed = Version(version)
    return parsed.major, parsed.minor
