"""Compute the features of many architectures in parallel; a rerun computes what is missing."""

import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import polars as pl

from acorn.errors import InputError
from acorn.features.extractor import get_extractor
from acorn.features.feature_table import SETTINGS_KEY, FeatureRow, FeatureTable, check_settings
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import Space, get_space
from training.features.parallel import OnProgress, compute_in_parallel, with_progress
from training.features.resumable_table import ResumableTable

logger = logging.getLogger(__name__)

Item = tuple[str, tuple[str, ...]]
"""A canonical form, and the proxies that it lacks."""

Compute = partial[FeatureRow]


def select_architectures(space: Space, archs: str, *, shard: str | None = None) -> list[str]:
    """List canonical architectures, each once.

    Parameters
    ----------
    space : Space
        Space of the architectures.
    archs : str
        ``all``, ``sample:N`` (N architectures drawn with seed 0) or the path of a text file with
        one architecture a line.
    shard : str, optional
        ``i/n`` keeps the i-th of n equal parts, i from 1.

    Returns
    -------
    list of str
        Canonical forms, sorted.

    Raises
    ------
    InputError
        For a missing file, a bad number, or a line that does not parse.
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
    recipe: FeatureRecipe,
    space: str,
    archs: Sequence[str],
    out: Path,
    *,
    device: str = "auto",
    workers: int = 0,
    backend: str = "local",
    on_progress: OnProgress = lambda _done, _total: None,
) -> FeatureTable:
    """Bring a feature table up to date with these architectures and proxies.

    Rows and columns that the table has already are not computed again. The table grows while the
    work goes on, so an interruption costs the last few seconds at most.

    Parameters
    ----------
    recipe : FeatureRecipe
        What to compute.
    space : str
        Space of the architectures.
    archs : sequence of str
        Canonical forms.
    out : pathlib.Path
        Parquet file; several processes may add to it.
    device : str, default="auto"
        Where to compute, as :func:`~acorn.devices.find_device` reads it.
    workers : int, default=0
        Processes of one thread each; 0 is one for each core. A running Ray cluster has its own
        number.
    backend : {"local", "ray"}, default="local"
        ``"ray"`` is the cluster of ``RAY_ADDRESS``, or a new one on this machine.
    on_progress : callable, optional
        Called with (done, total) after each architecture.

    Returns
    -------
    FeatureTable
        All rows of the table.

    Raises
    ------
    MismatchError
        If ``out`` holds features of other settings.
    InputError
        For another backend, or one that is not installed.
    """

    def joined(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        tables = (FeatureTable(frame, recipe.settings) for frame in (old, new))
        return next(tables).joined(next(tables)).frame

    run = _backend(backend)
    table = _read(out, recipe)
    todo = _missing(table, recipe, space, archs, device)
    logger.info("%d of %d architectures to compute", len(todo), len(archs))
    rows = run(partial(_compute, recipe, space, device), todo, workers or os.cpu_count() or 1)
    growing = ResumableTable(out, key=SETTINGS_KEY, settings=asdict(recipe.settings), merge=joined)
    growing.extend(
        FeatureTable.from_rows([row], recipe.settings).frame
        for row in with_progress(rows, len(todo), on_progress)
    )
    return _read(out, recipe)


def _read(out: Path, recipe: FeatureRecipe) -> FeatureTable:
    table = FeatureTable.read(out) if out.exists() else FeatureTable.from_rows([], recipe.settings)
    check_settings(recipe.settings, table.settings)
    return table


def _missing(
    table: FeatureTable, recipe: FeatureRecipe, space: str, archs: Sequence[str], device: str
) -> list[Item]:
    """Pairs of an architecture that lacks features and the proxies that it lacks."""
    if not archs:
        return []
    structure = set(_compute(recipe, space, device, archs[0], ()).values)
    proxies = get_extractor(recipe, device).proxies
    todo = []
    for arch in archs:
        row = table.row(f"{space}/{arch}") or FeatureRow("", {})
        lacking = tuple(n for n in proxies if row.values.get(n) is None and n not in row.reasons)
        if lacking or any(row.values.get(name) is None for name in structure):
            todo.append((arch, lacking))
    return todo


def _compute(
    recipe: FeatureRecipe, space: str, device: str, canonical: str, proxies: tuple[str, ...]
) -> FeatureRow:
    import torch  # in the worker process

    torch.set_num_threads(1)
    return get_extractor(recipe, device).compute(get_space(space), canonical, proxies=proxies)


def _backend(name: str) -> Callable[[Compute, Sequence[Item], int], Iterable[FeatureRow]]:
    if name not in ("local", "ray"):
        raise InputError(f"got --backend {name!r}; expected local or ray")
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise InputError("--backend ray needs the package ray, which is not installed")
    return _on_ray if name == "ray" else compute_in_parallel


def _on_ray(compute: Compute, todo: Sequence[Item], workers: int) -> Iterator[FeatureRow]:
    """Run tasks on the Ray cluster of RAY_ADDRESS, or on a new one on this machine."""
    import ray

    if not ray.is_initialized():
        here = {"num_cpus": workers, "include_dashboard": False}
        ray.init(**({} if "RAY_ADDRESS" in os.environ else here), log_to_driver=False)
    remote = ray.remote(compute.func)  # Ray takes no partial functions
    pending = [remote.remote(*compute.args, *item) for item in todo]
    while pending:
        ready, pending = ray.wait(pending)
        yield from ray.get(ready)
