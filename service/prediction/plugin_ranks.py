"""Ranks the spaces of plugins that have no bundle among members of their own."""

import logging
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path

from acorn.errors import AcornError
from acorn.progress import progress
from service.prediction.isolated_process import IsolatedProcess
from service.repository.model_repository import ModelRepository, ranks_path

logger = logging.getLogger(__name__)


def rank_plugin_spaces(
    repository: ModelRepository,
    spaces: Collection[object] | None = None,
    *,
    shows_progress: bool = False,
) -> None:
    """Make the rank bundles of plugin spaces that have no bundle, and put them in service.

    Each is made once and kept in the repository's folder of ranks. It takes up to two minutes, in
    a process of its own, which imports torch. A space that cannot be sampled is left to the
    reference population.

    Parameters
    ----------
    repository : ModelRepository
        The bundles in service, with a folder of ranks.
    spaces : collection of str, optional
        Names of spaces; by default all of plugins.
    shows_progress : bool, default=False
        Whether to show on stderr how many members are done.
    """
    unranked = [
        (space, dataset)
        for space, dataset in repository.snapshot.unranked
        if spaces is None or space in spaces
    ]
    if repository.ranks is None or not unranked:
        return
    process = IsolatedProcess()
    try:
        for space, dataset in unranked:
            logger.info("%s on %s has no forest: sampling members to rank among", space, dataset)
            out = ranks_path(repository.ranks, space, dataset)
            try:
                process.call(space, _train, space, dataset, out, shows_progress)
            except AcornError as error:
                logger.warning("%s is ranked in a population of other spaces: %s", space, error)
    finally:
        process.close()
    repository.reload()


def _train(space: str, dataset: str, out: Path, shows_progress: bool) -> None:
    from acorn.learning.train import train_sampled_ranks  # in the isolated process

    with progress("members") if shows_progress else nullcontext() as on_progress:
        train_sampled_ranks(space, dataset, out, on_progress=on_progress)
