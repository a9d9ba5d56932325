"""The statistics of many networks, measured once and kept."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from acorn.batches import Batch, open_batch
from acorn.datasets import get_dataset
from acorn.features.devices import find_device
from acorn.spaces import get_space
from training.features.resumable_table import ResumableTable
from training.proxy_evolution.layer_statistics import PERTURBATION, STATISTICS, layer_statistics

KEY = "acorn.statistics"

NETWORKS_A_PART = 8
"""Networks that an interruption can cost."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """All that statistics depend on.

    Attributes
    ----------
    space, dataset
        Names.
    images
        A source that :func:`acorn.batches.open_batch` reads; None is the embedded batch.
    batch_size, seed, device
        Number of images; seed of weights and noise; where to measure.
    """

    space: str
    dataset: str
    images: str | None = None
    batch_size: int = 16
    seed: int = 0
    device: str = "auto"

    @property
    def settings(self) -> dict[str, object]:
        """What tells tables apart, by name."""
        kept = {k: v for k, v in asdict(self).items() if k not in ("images", "device")}
        return kept | {"batch": _batch(self).digest, "perturbation": PERTURBATION}


@cache
def _batch(source: Source) -> Batch:
    return open_batch(source.images, get_dataset(source.dataset), size=source.batch_size)


@dataclass(frozen=True, eq=False)
class NetworkStatistics:
    """Statistics of networks, those of all layers one behind the other.

    Attributes
    ----------
    archs
        Canonical forms.
    starts
        Row of the first layer of each network.
    columns
        For each of :data:`~training.proxy_evolution.layer_statistics.STATISTICS`, the values of all
        layers.
    """

    archs: Sequence[str]
    starts: NDArray[np.int64]
    columns: dict[str, Floats]

    @classmethod
    def of(cls, frame: pl.DataFrame, archs: Sequence[str]) -> "NetworkStatistics":
        """Put the rows of these networks in order; each must be there."""
        order = pl.DataFrame({"arch": archs})
        rows = order.join(frame, on="arch", how="left", maintain_order="left_right")
        names = rows["arch"].to_numpy()
        starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
        columns = {name: rows[name].fill_null(float("nan")).to_numpy() for name in STATISTICS}
        return cls(archs, starts, columns)


def measure(
    source: Source,
    archs: Sequence[str],
    path: Path,
    *,
    workers: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> NetworkStatistics:
    """Bring the table at ``path`` up to date with these networks, and read them.

    Parameters
    ----------
    source
        Where statistics come from.
    archs
        Canonical forms.
    path
        Parquet file.
    workers
        Processes, one thread each; 0 is one a core.
    on_progress
        Called with (done, total) as networks are done.

    Raises
    ------
    MismatchError
        If ``path`` holds statistics from another source.
    """
    ledger = ResumableTable(path, key=KEY, settings=source.settings)
    table = ledger.read()
    there = set(table["arch"]) if len(table) else set()
    todo = [arch for arch in archs if arch not in there]
    parallel = joblib.Parallel(n_jobs=workers or -1, return_as="generator_unordered", batch_size=1)
    frames: Iterable[pl.DataFrame] = parallel(
        joblib.delayed(_measured)(source, arch) for arch in todo
    )
    rest, done = iter(frames), 0
    while part := [*islice(rest, NETWORKS_A_PART)]:
        ledger.append(pl.concat(part))
        done += len(part)
        on_progress(done, len(todo))
    return NetworkStatistics.of(ledger.read(), archs)


def _measured(source: Source, arch: str) -> pl.DataFrame:
    torch.set_num_threads(1)  # in the worker process
    device = find_device(source.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(source.seed)
        network = get_space(source.space).build(arch, get_dataset(source.dataset)).to(device)
    frame = layer_statistics(network, _batch(source).images.to(device), seed=source.seed)
    return frame.select(pl.lit(arch).alias("arch"), pl.all())
