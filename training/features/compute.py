"""Compute the features of many architectures: in parallel, resumable, only what is missing."""

import importlib.util
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import joblib

from acorn.batches import open_batch
from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.features.extractor import FeatureExtractor
from acorn.features.settings import ProxySettings
from acorn.features.table import FeatureRow, FeatureTable, check_settings
from acorn.proxies import select
from acorn.spaces import Space, get_space

logger = logging.getLogger(__name__)

Item = tuple[str, tuple[str, ...]]
"""A canonical form, and the proxies that it lacks."""

ROWS_A_PART = 32
"""Rows that an interruption can cost, for each run."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a worker process needs to know to compute the same features.

    Attributes
    ----------
    space, dataset
        Names.
    proxies
        Names of proxies, or ``"all"``.
    images
        A source that :func:`acorn.batches.open_batch` reads; None is the embedded batch.
    batch_size, seed, device
        As in :class:`~acorn.features.extractor.FeatureExtractor`.
    """

    space: str
    dataset: str
    proxies: str | tuple[str, ...] = "all"
    images: str | None = None
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"


@cache
def extractor(recipe: Recipe) -> FeatureExtractor:
    """Make a recipe's extractor, once a process."""
    dataset = get_dataset(recipe.dataset)
    batch = open_batch(recipe.images, dataset, size=recipe.batch_size)
    return FeatureExtractor(
        dataset, batch, proxies=recipe.proxies, seed=recipe.seed, device=recipe.device
    )


def select_architectures(space: Space, archs: str, *, shard: str | None = None) -> list[str]:
    """Canonical forms of ``all``, ``sample:N`` or the lines of a file, each function once.

    Parameters
    ----------
    space
        Reads the specifications.
    archs
        ``all``, ``sample:N`` (N architectures drawn with seed 0) or the path of a text file with
        one architecture a line.
    shard
        ``i/n`` keeps the i-th of n equal parts, i from 1.

    Raises
    ------
    InputError
        For a file that is not there, a number that is none, or a line that does not parse.
    """
    kind, _, count = archs.partition(":")
    if archs == "all":
        specs: Iterable[str] = space.enumerate()
    elif kind == "sample" and count.isdecimal():
        if space.size is not None and int(count) > space.size:
            raise InputError(f"got {archs}; {space.name} has {space.size} architectures")
        specs = space.sample(int(count), seed=0)
    elif Path(archs).is_file():
        specs = filter(None, map(str.strip, Path(archs).read_text("utf-8").splitlines()))
    else:
        raise InputError(f"got --archs {archs!r}; expected all, sample:N or a file that exists")
    canonical = sorted({space.parse(spec).canonical for spec in specs})
    if shard is None:
        return canonical
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InputError(f"got --shard {shard!r}; expected i/n with 1 <= i <= n")
    return canonical[int(part) - 1 :: int(parts)]


def compute_features(
    recipe: Recipe,
    archs: Sequence[str],
    out: Path,
    *,
    workers: int = 0,
    backend: str = "local",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FeatureTable:
    """Bring the table at ``out`` up to date with these architectures and proxies.

    Rows and columns that are there already are not computed again. Finished rows are put aside in
    parts beside ``out`` while the work goes on, so an interruption costs at most the last few.

    Parameters
    ----------
    recipe
        What to compute, and how.
    archs
        Canonical forms.
    out
        Parquet file.
    workers
        Processes, one thread each; 0 is one a core. A running Ray cluster has its own number.
    backend
        ``local``, or ``ray`` for the cluster of ``RAY_ADDRESS``, or a new one on this machine.
    on_progress
        Called with (done, total) after each architecture.

    Raises
    ------
    MismatchError
        If ``out`` holds features of other settings.
    """
    settings = extractor(recipe).settings
    table = collect(out, settings)
    todo = _missing(table, recipe, archs)
    logger.info("%d of %d architectures to compute", len(todo), len(archs))
    rows = _backend(backend)(recipe, todo, workers or os.cpu_count() or 1)
    for done, part in enumerate(_parts(rows, len(todo), on_progress)):
        FeatureTable.from_rows(part, settings).write(
            _parts_folder(out) / f"{done:06d}-{uuid.uuid4().hex}.parquet"
        )
    return collect(out, settings)


def collect(out: Path, settings: ProxySettings) -> FeatureTable:
    """Merge the parts beside ``out`` into it, and read it; an absent table is an empty one."""
    table = FeatureTable.read(out) if out.exists() else FeatureTable.from_rows([], settings)
    check_settings(settings, table.settings)
    parts = sorted(_parts_folder(out).glob("*.parquet"))
    for part in parts:
        table = table.joined(FeatureTable.read(part))
    if parts:
        table.write(out)
        shutil.rmtree(_parts_folder(out))
    return table


def _parts_folder(out: Path) -> Path:
    return out.with_name(out.name + ".parts")


def _missing(table: FeatureTable, recipe: Recipe, archs: Sequence[str]) -> list[Item]:
    """Pairs of a canonical form that lacks something and the proxies that it lacks."""
    if not archs:
        return []
    structure = set(_compute(recipe, archs[0], ()).values)
    wanted = [proxy.name for proxy in select(recipe.proxies)]
    todo = []
    for arch in archs:
        row = table.row(f"{recipe.space}/{arch}")
        values = row.values if row else {}
        reasons = row.reasons if row else {}
        lacking = tuple(n for n in wanted if values.get(n) is None and n not in reasons)
        if lacking or any(values.get(name) is None for name in structure):
            todo.append((arch, lacking))
    return todo


def _compute(recipe: Recipe, canonical: str, proxies: tuple[str, ...]) -> FeatureRow:
    import torch  # in the worker process

    torch.set_num_threads(1)
    return extractor(recipe).compute(get_space(recipe.space), canonical, proxies=proxies)


def _parts(
    rows: Iterable[FeatureRow], total: int, on_progress: Callable[[int, int], None]
) -> Iterator[list[FeatureRow]]:
    """Group finished rows."""
    part: list[FeatureRow] = []
    for done, row in enumerate(rows, start=1):
        part.append(row)
        on_progress(done, total)
        if len(part) == ROWS_A_PART or done == total:
            yield part
            part = []


def _backend(name: str) -> Callable[[Recipe, Sequence[Item], int], Iterator[FeatureRow]]:
    if name not in ("local", "ray"):
        raise InputError(f"got --backend {name!r}; expected local or ray")
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise InputError("--backend ray needs the package ray, which is not installed")
    return _on_ray if name == "ray" else _on_this_machine


def _on_this_machine(recipe: Recipe, todo: Sequence[Item], workers: int) -> Iterator[FeatureRow]:
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(_compute)(recipe, *item) for item in todo)


def _on_ray(recipe: Recipe, todo: Sequence[Item], workers: int) -> Iterator[FeatureRow]:
    """Tasks of a Ray cluster: that of RAY_ADDRESS, or one on this machine."""
    import ray

    if not ray.is_initialized():
        here = {"num_cpus": workers, "include_dashboard": False}
        ray.init(**({} if "RAY_ADDRESS" in os.environ else here), log_to_driver=False)
    compute = ray.remote(_compute)
    pending = [compute.remote(recipe, *item) for item in todo]
    while pending:
        ready, pending = ray.wait(pending)
        yield from ray.get(ready)
