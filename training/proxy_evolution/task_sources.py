"""Where the tasks of an evolution come from: label tables, and networks that are measured."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Self

from acorn.datasets import canonical_name
from acorn.errors import InputError
from acorn.features.recipe import FeatureRecipe
from acorn.learning.labels import Labels
from acorn.progress import progress
from acorn.spaces import get_space
from acorn.targets import find_target
from training.labels.reading import read_labels
from training.proxy_evolution.experiment import (
    canonical_forms,
    held_out_rows,
    select_networks,
    tasks_of,
)
from training.proxy_evolution.fitness import Task
from training.proxy_evolution.network_statistics import measure_networks


@dataclass(frozen=True)
class TaskSource:
    """Labelled networks of one space and dataset.

    Attributes
    ----------
    space, dataset : str
        Names.
    labels : sequence of str
        Label tables, as :func:`~training.labels.reading.read_labels` takes them.
    """

    space: str
    dataset: str
    labels: Sequence[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SPACE/DATASET=LABELS``, with commas between several tables.

        Parameters
        ----------
        text : str
            Such as ``nats_tss/cifar10=labels.parquet``.

        Returns
        -------
        TaskSource

        Raises
        ------
        InputError
            If the text is something else, or a name is unknown.
        """
        names, equals, files = text.partition("=")
        space, slash, dataset = names.partition("/")
        if not (equals and slash and files):
            raise InputError(f"got task {text!r}; expected SPACE/DATASET=LABELS")
        return cls(get_space(space).name, canonical_name(dataset), files.split(","))


@dataclass
class TaskReader:
    """Reads labels, and measures the networks that have some.

    Parameters
    ----------
    targets : sequence of str
        Targets; of each source those that it has.
    networks : int
        Most networks of a source.
    statistics : pathlib.Path
        Folder of Parquet files, one for each space and dataset, which are kept up to date.
    images, batch_size, seed
        As in :meth:`~acorn.features.recipe.FeatureRecipe.create`.
    device, workers
        As in :func:`~training.proxy_evolution.network_statistics.measure_networks`.
    excluded : set of str
        Ids of networks that are left out.

    Attributes
    ----------
    used : set of str
        Ids of the networks that were read and not held out.
    """

    targets: Sequence[str]
    networks: int
    statistics: Path
    _: KW_ONLY
    images: str | None = None
    batch_size: int = 16
    seed: int = 0
    device: str = "auto"
    workers: int = 0
    excluded: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set, init=False)

    def read(
        self, sources: Sequence[TaskSource], held_out: float = 0.0
    ) -> tuple[list[Task], list[Task]]:
        """Make the tasks of several sources.

        Parameters
        ----------
        sources : sequence of TaskSource
            Sources.
        held_out : float, default=0.0
            Share of the networks of each that is held out.

        Returns
        -------
        used, held : list of Task
            One for each source and target; ``held`` is empty if nothing is held out.

        Raises
        ------
        InputError
            If a source has none of the targets, or too few labelled networks.
        MismatchError
            If the folder holds statistics of other settings.
        """
        used: list[Task] = []
        held: list[Task] = []
        self.statistics.mkdir(parents=True, exist_ok=True)
        for source in sources:
            labels, targets = self._labels(source)
            recipe = FeatureRecipe.create(
                source.dataset, (), self.images, self.batch_size, self.seed
            )
            with progress(f"{source.space}/{source.dataset}") as on_progress:
                table = measure_networks(
                    recipe,
                    source.space,
                    canonical_forms(labels),
                    self.statistics / f"{source.space}-{source.dataset}.parquet",
                    device=self.device,
                    workers=self.workers,
                    on_progress=on_progress,
                )
            hidden = held_out_rows(labels, held_out, self.seed)
            used += tasks_of(labels, table, targets, ~hidden)
            held += tasks_of(labels, table, targets, hidden)
            self.used |= {id_ for id_, away in zip(labels.ids, hidden, strict=True) if not away}
        return used, held

    def _labels(self, source: TaskSource) -> tuple[Labels, list[str]]:
        known = read_labels(source.labels, space=source.space, dataset=source.dataset)
        targets = [name for name in self.targets if name in known.targets]
        if not targets:
            targets = [find_target(self.targets[0], known.targets)]  # raises, and says what it has
        left = known.only(set(known.ids) - self.excluded) if self.excluded else known
        if not len(left.frame):
            raise InputError(
                f"got no labelled network of {source.space}/{source.dataset} that the programs "
                "were not evolved on"
            )
        return select_networks(left, self.networks, seed=self.seed), targets
