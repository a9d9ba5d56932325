"""A task without labels: of one topology, the wider network is the better one."""

import numpy as np
import polars as pl
import torch

from acorn.datasets import get_dataset
from acorn.devices import find_device
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork
from training.features.parallel import OnProgress, no_progress
from training.proxy_evolution.fitness import Task
from training.proxy_evolution.network_statistics import layer_table, measure_network

CELLS, WIDTHS = 24, (8, 16, 24, 32)
"""Cells of NAS-Bench-201 drawn at random, and the channels of their first stage."""


def width_task(
    dataset: str = "cifar10",
    *,
    batch_size: int = 16,
    device: str = "auto",
    seed: int = 0,
    on_progress: OnProgress = no_progress,
) -> Task:
    """Measure cells at several widths.

    Where programs evolve on spaces whose networks have one width, they may fall with the width of
    a network; this task tells such programs from others.

    Parameters
    ----------
    dataset : str, default="cifar10"
        Dataset whose input and classes the networks have.
    batch_size : int, default=16
        Number of images.
    device : str, default="auto"
        Where to measure, as :func:`~acorn.devices.find_device` reads it.
    seed : int, default=0
        Seeds the choice of cells, the weights and the noise.
    on_progress : callable, optional
        Called with (done, total) after each network.

    Returns
    -------
    Task
        The label is the width, and each cell is a group.
    """
    recipe = FeatureRecipe.create(dataset, (), batch_size=batch_size, seed=seed)
    space, place, frames = get_space("nats_tss"), find_device(device), []
    cells = [space.parse(spec).canonical for spec in space.sample(CELLS, seed=seed)]
    pairs = [(cell, width) for cell in cells for width in WIDTHS]
    for number, (cell, width) in enumerate(pairs):
        torch.manual_seed(seed)
        classes = get_dataset(dataset).num_classes
        network = TopologyNetwork(parse_cell(cell), classes, channels=width, cells=1).to(place)
        frame = measure_network(network, recipe, None)
        frames.append(frame.select(pl.lit(f"{cell}@{width}").alias("arch"), pl.all()))
        on_progress(number + 1, len(pairs))
    return Task(
        f"nats_tss/{dataset}/width",
        layer_table(pl.concat(frames), [f"{cell}@{width}" for cell, width in pairs]),
        np.array([float(width) for _, width in pairs]),
        np.repeat(np.arange(len(cells)), len(WIDTHS)),
    )
