"""Layer statistics of many networks, measured once and kept in a table."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn

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
    return layer_table(rows.read(), archs)


def layer_table(frame: pl.DataFrame, archs: Sequence[str]) -> LayerTable:
    """Select the rows of networks.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of layers, with the column ``arch``.
    archs : sequence of str
        Networks, all of which are in the table.

    Returns
    -------
    LayerTable
    """
    rows = pl.DataFrame({"arch": archs}).join(
        frame, on="arch", how="left", maintain_order="left_right"
    )
    names = rows["arch"].to_numpy()
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    columns = rows.select(pl.col(STATISTICS).cast(pl.Float64).fill_null(float("nan")))
    return LayerTable(starts, {name: columns[name].to_numpy() for name in STATISTICS})


def measure_network(network: nn.Module, recipe: FeatureRecipe, size: int | None) -> pl.DataFrame:
    """Measure the layers of one network.

    Parameters
    ----------
    network : torch.nn.Module
        A classifier of the dataset of the recipe, on the device that computes.
    recipe : FeatureRecipe
        Gives the dataset, the images and the seed.
    size : int or None
        Height and width of the images; None is the dataset's.

    Returns
    -------
    polars.DataFrame
        One row for each call of a layer, with the columns
        :data:`~acorn.proxies._programs.layer_statistics.STATISTICS`, float32; null if a number is
        not finite.
    """
    dataset, seed = get_dataset(recipe.settings.dataset).at(size), recipe.settings.seed
    measured = MeasuredNetwork(network)
    place = next(measured.module.parameters()).device
    images = laid_out(resized(recipe.batch.images, dataset).to(place))
    with measuring(measured.functions, measured.module.parameters()), torch.enable_grad():
        measured.survey(images, dataset.num_classes, record=False)
        columns = layer_statistics(measured, images, recipe.batch.labels.to(place), seed=seed)
    arrays = {name: values.cpu().numpy() for name, values in columns.items()}
    frame = pl.DataFrame(arrays, schema=dict.fromkeys(STATISTICS, pl.Float32))
    return frame.select(pl.when(pl.all().is_finite()).then(pl.all()).name.keep())


def _measure(recipe: FeatureRecipe, space: str, device: str, arch: str) -> pl.DataFrame:
    torch.set_num_threads(1)  # in the worker process
    form, size = split_row_id(arch)
    dataset = get_dataset(recipe.settings.dataset).at(size)
    network = build_seeded(get_space(space), form, dataset, seed=recipe.settings.seed)
    frame = measure_network(network.to(find_device(device)), recipe, size)
    return frame.select(pl.lit(arch).alias("arch"), pl.all())
