"""Trains networks one by one, and adds their labels to a table."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
import torch
from torch import nn

from acorn.datasets import Dataset
from acorn.devices import find_device
from acorn.spaces import Space
from acorn.spaces.building import build_seeded
from training.features.parallel import OnProgress, no_progress
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

        Returns
        -------
        dict
            Perturbations by target; None measures clean images.

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
        """Settings of a table of labels.

        Parameters
        ----------
        train, test : Images
            Images, whose hashes are among the settings.

        Returns
        -------
        dict
            Settings by name.
        """
        return {
            "space": self.space.name,
            "dataset": self.dataset.name,
            # Tables that were made before there was a choice of precision are continued.
            **{k: v for k, v in asdict(self.schedule).items() if k != "bfloat16" or v},
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
    on_progress: OnProgress = no_progress,
) -> pl.DataFrame:
    """Bring a label table up to date with these architectures.

    A row is written within seconds after its network, so an interruption costs one network at
    most. A network whose training diverges gets null labels and a ``reason``, and is not tried
    again.

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
    recipe.measurements()  # refuse unknown names before the work
    torch_device = find_device(device)
    rows = ResumableTable(out, key=KEY, settings=recipe.settings(train, test))
    todo = rows.missing(archs)
    epochs = recipe.schedule.epochs

    def new_rows() -> Iterator[pl.DataFrame]:
        for number, arch in enumerate(todo):

            def on_epoch(epoch: int, before: int = number * epochs) -> None:
                on_progress(before + epoch, len(todo) * epochs)

            network = build_seeded(recipe.space, arch, recipe.dataset, seed=recipe.seed)
            row = _train_and_measure(network.to(torch_device), recipe, train, test, on_epoch)
            yield row.select(pl.lit(arch).alias("arch"), pl.all())
            on_epoch(epochs)  # also if training diverged

    rows.extend(new_rows())
    return rows.read()


def _train_and_measure(
    network: nn.Module,
    recipe: LabelRecipe,
    train: Images,
    test: Images,
    on_epoch: Callable[[int], None],
) -> pl.DataFrame:
    """Train one network, and make its row: labels, ``reason`` and ``seconds``."""
    start = time.perf_counter()
    dataset, schedule, seed = recipe.dataset, recipe.schedule, recipe.seed
    attack = None if recipe.adversarial is None else adversary(recipe.adversarial)
    measure = partial(accuracy, network, test, dataset, batch_size=schedule.batch_size, seed=seed)
    labels: dict[str, float | None] = dict.fromkeys(recipe.measurements())
    reason = None
    # Otherwise cuDNN may choose another convolution algorithm at each run.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        try:
            fit(network, train, dataset, schedule, adversary=attack, seed=seed, on_epoch=on_epoch)
            labels |= {
                target: statistics.fmean(measure(perturbation=each) for each in perturbations)
                for target, perturbations in recipe.measurements().items()
            }
        except DivergedError as error:
            reason = str(error)
    row = {f"{dataset.name}.{target}": label for target, label in labels.items()}
    schema = {**dict.fromkeys(row, pl.Float64), "reason": pl.String, "seconds": pl.Float64}
    seconds = time.perf_counter() - start
    return pl.DataFrame([row | {"reason": reason, "seconds": seconds}], schema=schema)
