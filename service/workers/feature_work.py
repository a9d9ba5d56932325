"""The workers' task: computing the features of one architecture.

Only :class:`FeatureWorkFactory` imports torch, when it is called: in a worker process, or in the
process of a single command.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from acorn.errors import AcornError
from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from acorn.spaces.plugins import name_plugins, named_plugins
from service.observability.logs import LogFormat, configure_logging

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeatureTask:
    """One architecture whose features are wanted.

    Attributes
    ----------
    space : str
        Name of the space.
    canonical : str
        Canonical form of the architecture.
    recipe : FeatureRecipe
        What to compute.
    image_size : int or None, default=None
        Height and width of the images; None for those of the dataset.
    """

    space: str
    canonical: str
    recipe: FeatureRecipe
    image_size: int | None = None


@dataclass(frozen=True, slots=True)
class FeatureWorkFactory:
    """Makes the function that computes features.

    Attributes
    ----------
    device : str, default="auto"
        As :func:`acorn.devices.find_device` reads it; worker i takes CUDA device i
        modulo their number.
    threads : int, default=1
        Threads of the work function.
    log_level : str, default="warning"
        Lowest level that a worker logs.
    log_format : str, default="text"
        text, json or auto, as :func:`service.observability.logs.configure_logging` takes it.
    plugins : tuple of str, default=those of this process
        Modules with spaces of the user's own, which a worker imports. Processes inherit their names
        with the environment; actors on other machines do not.
    warm : tuple of FeatureTask, default=()
        Tasks that are computed before the worker is ready, since the first network of a process
        takes seconds longer than the next.
    """

    device: str = "auto"
    threads: int = 1
    log_level: str = "warning"
    log_format: LogFormat = "text"
    plugins: tuple[str, ...] = field(default_factory=named_plugins)
    warm: tuple[FeatureTask, ...] = ()

    def __call__(self, index: int) -> Callable[[FeatureTask], FeatureRow]:
        """Import torch, take a device, make the batches, warm up."""
        import torch

        from acorn.devices import find_device

        name_plugins(self.plugins)
        configure_logging(self.log_level, self.log_format)
        torch.set_num_threads(self.threads)
        work = partial(_compute, str(find_device(self.device, index=index)))
        for task in self.warm:
            try:
                work(task)
            except AcornError as error:  # each task of this recipe reports it again
                logger.warning("features of %s cannot be computed here: %s", task.space, error)
        return work


def _compute(device: str, task: FeatureTask) -> FeatureRow:
    from acorn.features.extractor import get_extractor

    extractor = get_extractor(task.recipe, device)
    return extractor.compute(get_space(task.space), task.canonical, image_size=task.image_size)
