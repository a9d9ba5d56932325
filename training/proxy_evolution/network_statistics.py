"""Layer statistics of many networks, measured once and kept in a table."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from acorn.batches import resized
from acorn.datasets import get_dataset
from acorn.devices import find_device
from acorn.features.feature_table import split_row_id
from acorn.features.recipe import FeatureRecipe
from acorn.proxies._math.layout import laid_out
from acorn.proxies._network.environment import measuring
from acorn.proxies._network.measured import MeasuredNetwork
from acorn.proxies._programs.layer_statistics import STATISTICS, layer_statistics
from acorn.proxies._programs.layer_table import LayerTable
from acorn.spaces import get_space
from acorn.spaces.building import build_seeded
from training.features.parallel import OnProgress, compute_in_parallel, no_progress, with_progress
from training.features.resumable_table import ResumableTable

KEY = "acorn.statistics"

VERSION = 2
"""Increased if a statistic changes by more than rounding."""


def statistics_settings(recipe: FeatureRecipe, space: str) -> dict[str, object]:
    """Settings of a table of statistics.

    Parameters
    ----------
    recipe : FeatureRecipe
        Gives the settings of the images and the seed.
    space : str
        Space of the architectures.

    Returns
    -------
    dict
        Settings by name.
    """
    return {"space": space, **asdict(recipe.settings), "version": VERSION}


def measure_networks(
    recipe: FeatureRecipe,
    space: str,
    archs: Sequence[str],
    path: Path,
    *,
    device: str = "auto",
    workers: int = 0,
    on_progress: OnProgress = no_progress,
) -> LayerTable:
    """Bring a table of statistics up to date with networks, and select their rows.

    Parameters
    ----------
    recipe : FeatureRecipe
        Gives the dataset, the images and the seed; its names of features are not used.
    space : str
        Space of the architectures.
    archs : sequence of str
        Canonical forms; ``@SIZE`` after one is an image size.
    path : pathlib.Path
        Parquet file; several processes may add to it.
    device : str, default="auto"
        Where to measure, as :func:`~acorn.devices.find_device` reads it.
    workers : int, default=0
        Processes of one thread each; 0 is one for each core.
    on_progress : callable, optional
        Called with (done, total) after each network.

    Returns
    -------
    LayerTable

    Raises
    ------
    MismatchError
        If ``path`` holds statistics of other settings.
    """
    rows = ResumableTable(path, key=KEY, settings=statistics_settings(recipe, space))
    todo = [(arch,) for arch in rows.missing(archs)]
    frames = compute_in_parallel(partial(_measure, recipe, space, device), todo, workers or -1)
    rows.extend(with_progress(frames, len(todo), on_progress))
    return _layer_table(rows.read(), archs)


def _layer_table(frame: pl.DataFrame, archs: Sequence[str]) -> LayerTable:
    """Select the rows of networks, all of which are in the table."""
    rows = pl.DataFrame({"arch": archs}).join(
        frame, on="arch", how="left", maintain_order="left_right"
    )
    names = rows["arch"].to_numpy()
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    columns = rows.select(pl.col(STATISTICS).cast(pl.Float64).fill_null(float("nan")))
    return LayerTable(starts, {name: columns[name].to_numpy() for name in STATISTICS})


def _measure(recipe: FeatureRecipe, space: str, device: str, arch: str) -> pl.DataFrame:
    torch.set_num_threads(1)  # in the worker process
    place, seed = find_device(device), recipe.settings.seed
    form, size = split_row_id(arch)
    dataset = get_dataset(recipe.settings.dataset).at(size)
    network = MeasuredNetwork(build_seeded(get_space(space), form, dataset, seed=seed), place)
    images = laid_out(resized(recipe.batch.images, dataset).to(place))
    with measuring(network.functions, network.module.parameters()), torch.enable_grad():
        network.survey(images, dataset.num_classes, record=False)
        columns = layer_statistics(network, images, recipe.batch.labels.to(place), seed=seed)
    frame = pl.DataFrame(columns, schema=dict.fromkeys(STATISTICS, pl.Float32))
    return frame.select(
        pl.lit(arch).alias("arch"), pl.when(pl.all().is_finite()).then(pl.all()).name.keep()
    )
