"""A label table, network by network."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
import torch
from torch import nn

from acorn.datasets import Dataset
from acorn.features.devices import find_device
from acorn.spaces import Space
from training.features.resumable_table import ResumableTable
from training.label_generation.attacks import adversary, read_attack
from training.label_generation.corruptions import read_corruption
from training.label_generation.images import Images
from training.label_generation.network_training import (
    DivergedError,
    Perturbation,
    Schedule,
    accuracy,
    fit,
)

KEY = "acorn.labels"


@dataclass(frozen=True)
class Recipe:
    """All that labels depend on, besides the images.

    Attributes
    ----------
    space, dataset
        Of the networks.
    schedule
        How they are trained.
    attacks
        Targets to measure besides ``clean``, in the names of :func:`read_attack`.
    corruptions
        Names of :data:`~training.label_generation.corruptions.CORRUPTIONS`: the targets
        ``corruption_<name>``, each the mean over five severities.
    adversarial
        Budget of adversarial training, in units of 1/255; None trains on clean images.
    seed
        Of initial weights, of training and of the attacks.
    """

    space: Space
    dataset: Dataset
    schedule: Schedule = field(default_factory=Schedule)
    attacks: Sequence[str] = ("fgsm_linf_1.0", "pgd_linf_1.0")
    corruptions: Sequence[str] = ()
    adversarial: float | None = None
    seed: int = 0

    def measurements(self) -> dict[str, list[Perturbation | None]]:
        """What the images go through for each target; a label is the mean accuracy.

        Raises :class:`~acorn.errors.InputError` for a name that there is not.
        """
        return {
            "clean": [None],
            **{name: [read_attack(name)] for name in self.attacks},
            **{f"corruption_{name}": [*read_corruption(name)] for name in self.corruptions},
        }

    def settings(self, train: Images, test: Images) -> dict[str, object]:
        """Everything by name, with the images' hashes."""
        return {
            "space": self.space.name,
            "dataset": self.dataset.name,
            **asdict(self.schedule),
            "attacks": sorted(self.attacks),
            "corruptions": sorted(self.corruptions),
            "adversarial": self.adversarial,
            "seed": self.seed,
            "train_images": train.digest,
            "test_images": test.digest,
        }


def label(
    recipe: Recipe,
    archs: Sequence[str],
    train: Images,
    test: Images,
    out: Path,
    *,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> pl.DataFrame:
    """Bring the label table at ``out`` up to date with these architectures.

    Each row is written when its network is done, so an interruption costs one network at most.
    A network whose training diverges gets null labels and a ``reason``, and is not tried again.

    Parameters
    ----------
    recipe
        How to train and what to measure.
    archs
        Canonical forms.
    train, test
        Images.
    out
        Parquet file. Several processes may add to the same one.
    device
        Where to train.
    on_progress
        Called with (done, total) epochs.

    Returns
    -------
    polars.DataFrame
        Rows of the table: ``arch``, ``<dataset>.<target>`` in percent, ``reason``, ``seconds``.

    Raises
    ------
    MismatchError
        If ``out`` holds labels of another recipe.
    InputError
        For an attack or a corruption that there is not.
    """
    measurements = recipe.measurements()
    place = find_device(device)
    ledger = ResumableTable(out, key=KEY, settings=recipe.settings(train, test))
    table = ledger.read()
    done = set(table["arch"]) if len(table) else set()
    todo = [arch for arch in archs if arch not in done]
    epochs = recipe.schedule.epochs
    for number, arch in enumerate(todo):
        progress = partial(_count, on_progress, number * epochs, len(todo) * epochs)
        ledger.append(_row(recipe, arch, measurements, train, test, place, progress))
        progress(epochs)
    return ledger.read()


def _count(on_progress: Callable[[int, int], None], before: int, total: int, epochs: int) -> None:
    on_progress(before + epochs, total)


def _row(
    recipe: Recipe,
    arch: str,
    measurements: Mapping[str, Sequence[Perturbation | None]],
    train: Images,
    test: Images,
    place: torch.device,
    on_epoch: Callable[[int], None],
) -> pl.DataFrame:
    """Train one network and measure it."""
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = recipe.space.build(arch, recipe.dataset)
    network = network.to(place)
    names = [f"{recipe.dataset.name}.{target}" for target in measurements]
    labels: list[float | None] = [None] * len(names)
    reason = None
    # Restored afterwards; elsewhere the fastest convolution may be another one at each run.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        try:
            fit(
                network,
                train,
                recipe.dataset,
                recipe.schedule,
                adversary=None if recipe.adversarial is None else adversary(recipe.adversarial),
                seed=recipe.seed,
                on_epoch=on_epoch,
            )
            labels = [
                statistics.fmean(_accuracy(recipe, network, test, each) for each in perturbations)
                for perturbations in measurements.values()
            ]
        except DivergedError as error:
            reason = str(error)
    schema = {"arch": pl.String, **dict.fromkeys(names, pl.Float64)}
    schema |= {"reason": pl.String, "seconds": pl.Float64}
    row = [arch, *labels, reason, time.perf_counter() - start]
    return pl.DataFrame([row], schema=schema, orient="row")


def _accuracy(
    recipe: Recipe, network: nn.Module, test: Images, perturbation: Perturbation | None
) -> float:
    return accuracy(
        network,
        test,
        recipe.dataset,
        batch_size=recipe.schedule.batch_size,
        perturbation=perturbation,
        seed=recipe.seed,
    )
