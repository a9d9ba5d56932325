"""Computes the features of many architectures in parallel; a rerun computes what is missing."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from acorn.conditions import IMAGE_SIZE
from acorn.errors import InputError
from acorn.features.extractor import get_extractor
from acorn.features.feature_table import (
    SETTINGS_KEY,
    FeatureRow,
    FeatureTable,
    check_settings,
    row_id,
    split_row_id,
)
from acorn.features.recipe import FeatureRecipe
from acorn.optional import need
from acorn.spaces import Space, get_space
from acorn.spaces.plugins import name_plugins, named_plugins
from training.features.parallel import OnProgress, compute_in_parallel, no_progress, with_progress
from training.features.resumable_table import ResumableTable
from training.labels.csv_tables import SUFFIXES
from training.labels.reading import read_file

logger = logging.getLogger(__name__)

_SUBMITTED = 1000  # tasks at once: more than a cluster has processors, and cheap to wait for

Item = tuple[str, tuple[str, ...]]
"""A canonical form, and the proxies that it lacks."""


def select_architectures(
    space: Space, archs: str, *, shard: str | None = None, dataset: str = "cifar10"
) -> list[str]:
    """List canonical architectures, each once.

    Parameters
    ----------
    space : Space
        Space of the architectures.
    archs : str
        ``all``, ``sample:N`` (N architectures drawn with seed 0), the path of a text file with
        one architecture a line, or of a label table (Parquet or CSV). ``@SIZE`` after an
        architecture, or a column ``image_size`` of the table, is another image size than the
        dataset's.
    shard : str, optional
        ``i/n`` keeps the i-th of n equal parts, i from 1.

    dataset : str, default="cifar10"
        Its image size is not written after canonical forms.

    Returns
    -------
    list of str
        Canonical forms, sorted, each with ``@SIZE`` after it for another image size.

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
    elif Path(archs).suffix.lower() in (*SUFFIXES, ".parquet") and Path(archs).is_file():
        specs = _read_specs(Path(archs))
    elif Path(archs).is_file():
        specs = filter(None, map(str.strip, Path(archs).read_text("utf-8").splitlines()))
    else:
        raise InputError(f"got --archs {archs!r}; expected all, sample:N or a file that exists")
    canonical = sorted({_canonical_key(space, spec, dataset) for spec in specs})
    if shard is None:
        return canonical
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InputError(f"got --shard {shard!r}; expected i/n with 1 <= i <= n")
    return canonical[int(part) - 1 :: int(parts)]


def _canonical_key(space: Space, spec: str, dataset: str) -> str:
    form, image_size = split_row_id(spec)
    return row_id(space.parse(form).canonical, dataset, image_size)


def _read_specs(path: Path) -> Iterator[str]:
    """Read the architectures of a label table, with their image sizes if it has them."""
    table = read_file(path)
    if "arch" not in table.columns:
        raise InputError(f"got {path}, which has no column 'arch'; expected one")
    sizes = table[IMAGE_SIZE] if IMAGE_SIZE in table.columns else [None] * len(table)
    for arch, size in zip(table["arch"], sizes, strict=True):
        yield arch if size is None else f"{arch}@{size:.0f}"


def compute_features(
    recipe: FeatureRecipe,
    space: str,
    archs: Sequence[str],
    out: Path,
    *,
    device: str = "auto",
    workers: int = 0,
    backend: str = "local",
    parts: Sequence[Path] = (),
    on_progress: OnProgress = no_progress,
) -> FeatureTable:
    """Bring a feature table up to date with these architectures and proxies.

    Values that the table or a part has are not computed again. Rows are written every few seconds,
    so an interruption loses little.

    Parameters
    ----------
    recipe : FeatureRecipe
        What to compute.
    space : str
        Space of the architectures.
    archs : sequence of str
        Canonical forms, as :func:`select_architectures` returns them.
    out : pathlib.Path
        Parquet file; several processes may add to it.
    device : str, default="auto"
        Where to compute, as :func:`~acorn.devices.find_device` reads it.
    workers : int, default=0
        Number of processes of one thread each; 0 is one for each core. A running Ray cluster
        decides by itself.
    backend : {"local", "ray"}, default="local"
        ``"ray"`` uses the cluster of ``RAY_ADDRESS``, or a new one on this machine.
    parts : sequence of pathlib.Path, default=()
        Feature tables, or folders of them, of which all rows are added first: what other
        processes computed, each for one shard.
    on_progress : callable, optional
        Called with (done, total) after each architecture.

    Returns
    -------
    FeatureTable
        All rows of the table.

    Raises
    ------
    MismatchError
        If ``out`` or a part holds features of other settings.
    InputError
        For another backend, for a part that does not exist, or if Ray is not installed.
    """

    def joined(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        tables = (FeatureTable(frame, recipe.settings) for frame in (old, new))
        return next(tables).joined(next(tables)).frame

    if backend not in ("local", "ray"):
        raise InputError(f"got --backend {backend!r}; expected local or ray")
    if backend == "ray":
        need("ray", extra="ray")
    run = _on_ray if backend == "ray" else compute_in_parallel
    growing = ResumableTable(out, key=SETTINGS_KEY, settings=asdict(recipe.settings), merge=joined)
    for part in _read_parts(parts, recipe):
        growing.append(part.frame)
    table = _read(out, recipe)
    todo = _missing(table, recipe, space, archs, device)
    logger.info("%d of %d architectures to compute", len(todo), len(archs))
    compute = partial(_compute, recipe, space, device, named_plugins())
    rows = run(compute, todo, workers or os.cpu_count() or 1)
    growing.extend(
        FeatureTable.from_rows([row], recipe.settings).frame
        for row in with_progress(rows, len(todo), on_progress)
    )
    return _read(out, recipe)


def _read(out: Path, recipe: FeatureRecipe) -> FeatureTable:
    table = FeatureTable.read(out) if out.exists() else FeatureTable.from_rows([], recipe.settings)
    check_settings(recipe.settings, table.settings)
    return table


def _read_parts(parts: Sequence[Path], recipe: FeatureRecipe) -> list[FeatureTable]:
    """Read all tables before any is added, so that a bad one changes nothing."""
    paths: list[Path] = []
    for part in parts:
        found = sorted(part.glob("*.parquet")) if part.is_dir() else [part]
        if not all(path.is_file() for path in found) or not found:
            raise InputError(f"got {part} as a part; expected a feature table, or a folder of them")
        paths += found
    return [_read(path, recipe) for path in paths]


def _missing(
    table: FeatureTable, recipe: FeatureRecipe, space: str, archs: Sequence[str], device: str
) -> list[Item]:
    """Architectures that lack features, each with the proxies that it lacks."""
    if not archs:
        return []
    structure = set(_compute(recipe, space, device, (), archs[0], ()).values)
    proxies = get_extractor(recipe, device).proxies
    todo = []
    for arch in archs:
        row = table.row(f"{space}/{arch}") or FeatureRow("", {})
        lacking = tuple(n for n in proxies if row.values.get(n) is None and n not in row.reasons)
        if lacking or any(row.values.get(name) is None for name in structure):
            todo.append((arch, lacking))
    return todo


def _compute(
    recipe: FeatureRecipe,
    space: str,
    device: str,
    plugins: tuple[str, ...],
    canonical: str,
    proxies: tuple[str, ...],
) -> FeatureRow:
    import torch  # in the worker process

    name_plugins(plugins)  # a process that was started earlier, or elsewhere, does not inherit them
    torch.set_num_threads(1)
    form, image_size = split_row_id(canonical)
    return get_extractor(recipe, device).compute(
        get_space(space), form, proxies=proxies, image_size=image_size
    )


def _on_ray(
    compute: partial[FeatureRow], todo: Sequence[Item], workers: int
) -> Iterable[FeatureRow]:
    """Run tasks on the Ray cluster of RAY_ADDRESS, or on a new one on this machine."""
    import ray

    if not ray.is_initialized():
        here = {"address": "local", "num_cpus": workers, "include_dashboard": False}
        ray.init(**({} if "RAY_ADDRESS" in os.environ else here), log_to_driver=False)
    remote = ray.remote(compute.func)  # Ray does not accept partial functions
    submitted = (remote.remote(*compute.args, *item) for item in todo)
    pending = [*islice(submitted, _SUBMITTED)]
    while pending:
        ready, pending = ray.wait(pending)
        pending += islice(submitted, len(ready))
        yield from ray.get(ready)  # a task whose machine died was tried again by then
