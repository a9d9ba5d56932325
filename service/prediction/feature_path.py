"""The one path from architectures to their features: tables, the cache, then the workers."""

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from acorn.datasets import Dataset, get_dataset
from acorn.errors import AcornError, InputError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.schemas.prediction import FeatureSource
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from service.errors import (
    DeadlineError,
    InvalidRequestError,
    QueueFullError,
    ServiceError,
    TooMuchWorkError,
    UnavailableError,
)
from service.prediction.cases import Case
from service.prediction.isolated_process import cost
from service.storage.cache import FeatureCache
from service.workers import Outcome
from service.workers.feature_work import FeatureTask

Compute = Callable[
    [Mapping[str, FeatureTask]], Awaitable[Mapping[str, Outcome[FeatureRow] | AcornError]]
]
"""Computes the features of architectures, as :meth:`service.workers.WorkerPool.compute` does."""

OnLookup = Callable[[FeatureSource, int], None]
"""Called with a source of features, and the number of architectures that it had."""

_SOURCES: tuple[FeatureSource, ...] = ("table", "cache", "computed")
"""Sources, the quickest first."""


@dataclass(frozen=True, slots=True)
class ArchFeatures:
    """The features of one architecture, and where they come from.

    Attributes
    ----------
    row : FeatureRow
    source : {"table", "cache", "computed"}
    queue_seconds, seconds : float
        Time in the queue and in a worker; 0 unless computed.
    proxies : FeatureRow or None, default=None
        The row with the proxies that a prediction asks for.
    """

    row: FeatureRow
    source: FeatureSource
    queue_seconds: float = 0.0
    seconds: float = 0.0
    proxies: FeatureRow | None = None

    def with_proxies(self, other: "ArchFeatures") -> "ArchFeatures":
        """Add the proxies of the same architecture, and what they took."""
        return replace(
            self,
            source=max(self.source, other.source, key=_SOURCES.index),
            queue_seconds=self.queue_seconds + other.queue_seconds,
            seconds=self.seconds + other.seconds,
            proxies=other.row,
        )


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Bounds on networks whose features have to be computed.

    Attributes
    ----------
    params : float
        Millions of parameters.
    flops : float
        Millions of multiply-accumulates for one image.
    """

    params: float
    flops: float

    def refuse(self, networks: Mapping[str, tuple[Architecture, Dataset]]) -> dict[str, InputError]:
        """Find the networks that are too large or cannot be built.

        Parameters
        ----------
        networks : mapping of str to tuple
            Architecture, and dataset with its image size, by id.

        Returns
        -------
        dict of str to InputError
            Errors by id.
        """
        refused: dict[str, InputError] = {}
        for id_, (arch, dataset) in networks.items():
            try:
                size = cost(arch.space, arch.canonical, dataset)
            except InputError as error:  # it cannot be built
                refused[id_] = error
                continue
            for quantity, value, most in (
                ("parameters", size.params, self.params),
                ("multiply-accumulates for one image", size.flops, self.flops),
            ):
                if value > most:
                    size_text = f"{value:.6g} million {quantity}"
                    refused[id_] = InputError(
                        f"got a network of {size_text}; expected at most {most:g}"
                    )
        return refused


UNBOUNDED = SizeLimits(params=math.inf, flops=math.inf)
"""Refuses only what cannot be built."""


class FeaturePath:
    """Finds features in tables and in the cache, and computes the others.

    Parameters
    ----------
    cache : FeatureCache
        Features computed before.
    compute : Compute
        Computes features that neither a table nor the cache has.
    threads : Executor
        Runs what would block the event loop.
    on_lookup : OnLookup
        Counts the sources.
    sizes : SizeLimits or None
        Largest networks to compute; None is no limit.
    """

    def __init__(
        self,
        cache: FeatureCache,
        compute: Compute,
        threads: Executor,
        *,
        on_lookup: OnLookup,
        sizes: SizeLimits | None,
    ) -> None:
        self._cache = cache
        self._compute = compute
        self._threads = threads
        self._on_lookup = on_lookup
        self._sizes = sizes

    async def find(
        self,
        cases: Mapping[str, Case],
        recipe: FeatureRecipe,
        tables: Iterable[FeatureTable],
        compute: Compute | None = None,
    ) -> tuple[dict[str, ArchFeatures], dict[str, AcornError]]:
        """Find or compute the features of architectures.

        Parameters
        ----------
        cases : mapping of str to Case
            By any key; cases of one architecture and image size share a row of features.
        recipe : FeatureRecipe
            Which features.
        tables : iterable of FeatureTable
            Tables that have columns for all of them, under the settings of the recipe. Rows
            without all proxies are not used.
        compute : Compute, default=None
            Computes features, in place of the path's own function.

        Returns
        -------
        features : dict of str to ArchFeatures
        errors : dict of str to AcornError
            Each case is in one of both.
        """
        case_by_row = {case.row_id: case for case in cases.values()}
        rows, failed_rows = await self._rows(case_by_row, recipe, tables, compute or self._compute)
        features, errors = {}, {}
        for key, case in cases.items():
            if (error := failed_rows.get(case.row_id)) is None:
                features[key] = rows[case.row_id]
            else:
                errors[key] = error
        return features, errors

    async def _rows(
        self,
        cases: Mapping[str, Case],
        recipe: FeatureRecipe,
        tables: Iterable[FeatureTable],
        compute: Compute,
    ) -> tuple[dict[str, ArchFeatures], dict[str, AcornError]]:
        """Find or compute rows of features; returns rows and errors, both by key of the row."""
        known: dict[str, ArchFeatures] = {}
        for table in tables:
            rows = ((id_, table.row(id_)) for id_ in cases if id_ not in known)
            known |= {
                id_: ArchFeatures(row, "table")
                for id_, row in rows
                if row is not None and row.has_proxies(recipe.names)
            }
        self._on_lookup("table", len(known))
        unknown = [id_ for id_ in cases if id_ not in known]
        if not unknown:
            return known, {}
        cached = await self._cache.find(unknown, recipe)
        self._on_lookup("cache", len(cached))
        known |= {id_: ArchFeatures(row, "cache") for id_, row in cached.items()}
        new = {id_: case for id_, case in cases.items() if id_ not in known}
        failures: dict[str, AcornError] = {}
        if new and self._sizes is not None:
            # Structure features need no weights and no images: only the space's limits hold.
            sizes = self._sizes if recipe.needs_proxies else UNBOUNDED
            dataset = get_dataset(recipe.settings.dataset)
            networks = {id_: (case, dataset.at(case.image_size)) for id_, case in new.items()}
            loop = asyncio.get_running_loop()
            failures |= await loop.run_in_executor(self._threads, sizes.refuse, networks)
        suffix = f"@{recipe.key}"
        tasks = {
            f"{id_}{suffix}": FeatureTask(case.space, case.canonical, recipe, case.image_size)
            for id_, case in new.items()
            if id_ not in failures
        }
        if not tasks:
            return known, failures
        try:
            outcomes = await compute(tasks)
        except TooMuchWorkError as error:
            item = ProblemItem(pointer="/architectures", detail=str(error))
            raise InvalidRequestError([item]) from None
        for key, outcome in outcomes.items():
            id_ = key.removesuffix(suffix)
            if isinstance(outcome, Outcome):
                self._on_lookup("computed", 1)
                known[id_] = ArchFeatures(
                    outcome.result, "computed", outcome.queue_seconds, outcome.seconds
                )
            else:
                failures[id_] = outcome
        return known, failures


_SEVERITIES = {InputError: 0, QueueFullError: 1, UnavailableError: 3, DeadlineError: 4}
"""Rank of an error by who can act: the client, the client later, nobody, the operator."""

_OTHER_SEVERITY = 2


def _severity(error: AcornError) -> int:
    ranks = (rank for kind, rank in _SEVERITIES.items() if isinstance(error, kind))
    return next(ranks, _OTHER_SEVERITY)


def combined_error(cases: Sequence[Case], failures: Mapping[str, AcornError]) -> AcornError:
    """Combine errors into one of the most severe class, which lists every item."""
    items = [
        ProblemItem(pointer=f"/architectures/{index}", detail=str(failures[case.key]))
        for index, case in enumerate(cases)
        if case.key in failures
    ]
    worst = max(failures.values(), key=_severity)
    if isinstance(worst, InputError):
        return InvalidRequestError(items)
    if isinstance(worst, ServiceError):
        error = copy.copy(worst)  # a subclass may have other constructor arguments
        error.errors = items
        return error
    return worst
