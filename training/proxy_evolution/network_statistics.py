"""Layer statistics of many networks, measured once and kept in a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from acorn.datasets import get_dataset
from acorn.devices import find_device
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from acorn.spaces.building import build_seeded
from training.features.parallel import OnProgress, compute_in_parallel, no_progress, with_progress
from training.features.resumable_table import ResumableTable
from training.proxy_evolution.layer_statistics import PERTURBATION, STATISTICS, layer_statistics

KEY = "acorn.statistics"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkStatistics:
    """Statistics of the layers of several networks, in the order of the networks.

    Attributes
    ----------
    archs : sequence of str
        Canonical forms.
    starts : numpy.ndarray
        Row of the first layer of each network, shape (networks,).
    columns : dict
        For each of :data:`~training.proxy_evolution.layer_statistics.STATISTICS` the values of all
        layers, shape (layers of all networks,).
    """

    archs: Sequence[str]
    starts: NDArray[np.int64]
    columns: dict[str, Floats]

    @classmethod
    def of(cls, frame: pl.DataFrame, archs: Sequence[str]) -> Self:
        """Select the rows of networks, all of which must be in the table.

        Parameters
        ----------
        frame : polars.DataFrame
            Rows of :func:`measure_networks`'s table.
        archs : sequence of str
            Canonical forms.

        Returns
        -------
        NetworkStatistics
        """
        order = pl.DataFrame({"arch": archs})
        rows = order.join(frame, on="arch", how="left", maintain_order="left_right")
        names = rows["arch"].to_numpy()
        starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
        columns = {name: rows[name].fill_null(float("nan")).to_numpy() for name in STATISTICS}
        return cls(archs, starts, columns)

    @property
    def depths(self) -> NDArray[np.int64]:
        """Number of layers of each network, shape (networks,)."""
        return np.diff(self.starts, append=len(self.columns[STATISTICS[0]]))

    def sums(self, x: Floats) -> Floats:
        """Sum over the layers of each network: shape (layers,) to shape (networks,)."""
        sums: Floats = np.add.reduceat(x, self.starts)
        return sums

    def per_layer(self, x: Floats) -> Floats:
        """Repeat the number of each network for each layer: shape (networks,) to (layers,)."""
        return np.repeat(x, self.depths)


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
    return {"space": space, **asdict(recipe.settings), "perturbation": PERTURBATION}


def measure_networks(
    recipe: FeatureRecipe,
    space: str,
    archs: Sequence[str],
    path: Path,
    *,
    device: str = "auto",
    workers: int = 0,
    on_progress: OnProgress = no_progress,
) -> NetworkStatistics:
    """Bring a table of statistics up to date with networks, and select their rows.

    Parameters
    ----------
    recipe : FeatureRecipe
        Gives the dataset, the images and the seed; its names of features are not used.
    space : str
        Space of the architectures.
    archs : sequence of str
        Canonical forms.
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
    NetworkStatistics

    Raises
    ------
    MismatchError
        If ``path`` holds statistics of other settings.
    """
    rows = ResumableTable(path, key=KEY, settings=statistics_settings(recipe, space))
    todo = [(arch,) for arch in rows.missing(archs)]
    frames = compute_in_parallel(partial(_measure, recipe, space, device), todo, workers or -1)
    rows.extend(with_progress(frames, len(todo), on_progress))
    return NetworkStatistics.of(rows.read(), archs)


def _measure(recipe: FeatureRecipe, space: str, device: str, arch: str) -> pl.DataFrame:
    torch.set_num_threads(1)  # in the worker process
    place, seed = find_device(device), recipe.settings.seed
    dataset = get_dataset(recipe.settings.dataset)
    network = build_seeded(get_space(space), arch, dataset, seed=seed).to(place)
    frame = layer_statistics(network, recipe.batch.images.to(place), seed=seed)
    return frame.select(pl.lit(arch).alias("arch"), pl.all())
