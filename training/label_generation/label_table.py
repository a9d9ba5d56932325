"""Generates a label table, network by network."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
import torch

from acorn.datasets import Dataset
from acorn.devices import find_device
from acorn.features.extractor import build_seeded
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
class LabelRecipe:
    """Everything that labels depend on, besides the images.

    Attributes
    ----------
    space, dataset : Space, Dataset
        Space and dataset of the networks.
    schedule : Schedule
        How they are trained.
    attacks : sequence of str, default=("fgsm_linf_1.0", "pgd_linf_1.0")
        Targets to measure besides ``clean``, as :func:`read_attack` reads them.
    corruptions : sequence of str, default=()
        Names of :data:`~training.label_generation.corruptions.CORRUPTIONS`: the targets
        ``corruption_<name>``, each the mean over five severities.
    adversarial : float or None, default=None
        Budget of adversarial training, in units of 1/255; None trains on clean images.
    seed : int, default=0
        Seeds initial weights, training and attacks.
    """

    space: Space
    dataset: Dataset
    schedule: Schedule = field(default_factory=Schedule)
    attacks: Sequence[str] = ("fgsm_linf_1.0", "pgd_linf_1.0")
    corruptions: Sequence[str] = ()
    adversarial: float | None = None
    seed: int = 0

    def measurements(self) -> dict[str, list[Perturbation | None]]:
        """Perturbations of the test images for each target; a label is the mean accuracy.

        Raises
        ------
        InputError
            For an unknown attack or corruption.
        """
        return {
            "clean": [None],
            **{name: [read_attack(name)] for name in self.attacks},
            **{f"corruption_{name}": [*read_corruption(name)] for name in self.corruptions},
        }

    def settings(self, train: Images, test: Images) -> dict[str, object]:
        """Everything by name, with the hashes of the images."""
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


def generate_labels(
    recipe: LabelRecipe,
    archs: Sequence[str],
    train: Images,
    test: Images,
    out: Path,
    *,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> pl.DataFrame:
    """Bring a label table up to date with these architectures.

    A finished row is written within seconds, so an interruption costs one network at most. A
    network whose training diverges gets null labels and a ``reason``, and is not tried again.

    Parameters
    ----------
    recipe : LabelRecipe
        How to train and what to measure.
    archs : sequence of str
        Canonical forms.
    train, test : Images
        Images to train and to test on.
    out : pathlib.Path
        Parquet file; several processes may add to it.
    device : str, default="auto"
        Where to train, as :func:`~acorn.devices.find_device` reads it.
    on_progress : callable, optional
        Called with (done, total) epochs.

    Returns
    -------
    polars.DataFrame
        All rows of the table: ``arch``, ``<dataset>.<target>`` in percent, ``reason``, ``seconds``.

    Raises
    ------
    MismatchError
        If ``out`` holds labels of another recipe.
    InputError
        For an unknown attack, corruption or device.
    """
    measurements = recipe.measurements()
    torch_device = find_device(device)
    growing = ResumableTable(out, key=KEY, settings=recipe.settings(train, test))
    table = growing.read()
    done = set(table["arch"]) if len(table) else set()
    todo = [arch for arch in archs if arch not in done]
    epochs = recipe.schedule.epochs

    def rows() -> Iterator[pl.DataFrame]:
        for number, arch in enumerate(todo):

            def on_epoch(epoch: int, before: int = number * epochs) -> None:
                on_progress(before + epoch, len(todo) * epochs)

            yield _row(recipe, arch, measurements, train, test, torch_device, on_epoch)
            on_epoch(epochs)  # also if training diverged

    growing.extend(rows())
    return growing.read()


def _row(
    recipe: LabelRecipe,
    arch: str,
    measurements: Mapping[str, Sequence[Perturbation | None]],
    train: Images,
    test: Images,
    device: torch.device,
    on_epoch: Callable[[int], None],
) -> pl.DataFrame:
    """Train one network and measure it."""
    start = time.perf_counter()
    network = build_seeded(recipe.space, arch, recipe.dataset, seed=recipe.seed).to(device)
    names = [f"{recipe.dataset.name}.{target}" for target in measurements]
    labels: list[float | None] = [None] * len(names)
    reason = None

    def measured(perturbation: Perturbation | None) -> float:
        return accuracy(
            network,
            test,
            recipe.dataset,
            batch_size=recipe.schedule.batch_size,
            perturbation=perturbation,
            seed=recipe.seed,
        )

    # Otherwise cuDNN may choose another convolution algorithm at each run.
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
                statistics.fmean(map(measured, perturbations))
                for perturbations in measurements.values()
            ]
        except DivergedError as error:
            reason = str(error)
    schema = {"arch": pl.String, **dict.fromkeys(names, pl.Float64)}
    schema |= {"reason": pl.String, "seconds": pl.Float64}
    row = [arch, *labels, reason, time.perf_counter() - start]
    return pl.DataFrame([row], schema=schema, orient="row")
