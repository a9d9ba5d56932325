"""Computing features of one network: what is asked for, and the work function that does it.

Only :class:`FeatureWorkFactory` touches torch, when it is called: in a worker process, or in the
process of a single command.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acorn.datasets import get_dataset
from acorn.errors import AcornError
from acorn.features.settings import ProxySettings
from acorn.features.table import FeatureRow, check_settings
from acorn.spaces import get_space
from service.observability.logs import LogFormat, configure_logging

if TYPE_CHECKING:
    from acorn.features.extractor import FeatureExtractor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeatureRecipe:
    """Which features a forest reads, and under which settings they must be computed."""

    settings: ProxySettings
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        """Short hash: equal for equal recipes."""
        text = "\n".join((self.settings.digest, *self.names))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """One function whose features are wanted."""

    space: str
    canonical: str
    recipe: FeatureRecipe


@dataclass(frozen=True, slots=True)
class FeatureWorkFactory:
    """Makes the function that computes features.

    Attributes
    ----------
    device
        auto, cpu or cuda; worker i takes CUDA device i modulo their number.
    threads
        Threads of the work function.
    log_level
        Lowest level that a worker logs.
    log_format
        text, json or auto, as :func:`service.observability.logs.configure_logging` takes it.
    warm
        What is computed once before the worker says that it is ready, since the first network
        takes seconds longer than the next.
    """

    device: str = "auto"
    threads: int = 1
    log_level: str = "warning"
    log_format: LogFormat = "text"
    warm: tuple[FeatureTask, ...] = ()

    def __call__(self, index: int) -> Callable[[FeatureTask], FeatureRow]:
        """Import torch, take a device, make the batches, warm up."""
        import torch

        configure_logging(self.log_level, self.log_format)
        torch.set_num_threads(self.threads)
        work = _FeatureWork(_device(self.device, index))
        for task in self.warm:
            try:
                work(task)
            except AcornError as error:  # each task of this recipe will say so again
                logger.warning("features of %s cannot be computed here: %s", task.space, error)
        return work


class _FeatureWork:
    """The work function, with an extractor for each recipe seen so far."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._extractors: dict[FeatureRecipe, FeatureExtractor] = {}

    def __call__(self, task: FeatureTask) -> FeatureRow:
        return self.extractor(task.recipe).compute(get_space(task.space), task.canonical)

    def extractor(self, recipe: FeatureRecipe) -> "FeatureExtractor":
        """Make, or find, the extractor of a recipe.

        Raises :class:`~acorn.errors.MismatchError` where this engine and the embedded batch
        differ from what the recipe's forest was trained on.
        """
        if recipe not in self._extractors:
            from acorn.batches import embedded_batch
            from acorn.features.extractor import FeatureExtractor
            from acorn.proxies import list_proxies

            dataset = get_dataset(recipe.settings.dataset)
            known = set(list_proxies())
            extractor = FeatureExtractor(
                dataset,
                embedded_batch(dataset, size=recipe.settings.batch_size),
                proxies=[name for name in recipe.names if name in known],
                seed=recipe.settings.seed,
                device=self._device,
            )
            check_settings(recipe.settings, extractor.settings)
            self._extractors[recipe] = extractor
        return self._extractors[recipe]


def _device(wanted: str, index: int) -> str:
    import torch

    count = torch.cuda.device_count() if wanted != "cpu" else 0
    if wanted == "cuda" and not count:
        raise AcornError("got device cuda; expected cpu or auto, since there is no CUDA device")
    return f"cuda:{index % count}" if count else "cpu"
