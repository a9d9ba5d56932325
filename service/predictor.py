"""From a request to an answer: parse, find or compute features, ask the forest.

Nothing here knows of HTTP or of processes; the server and the command line both call it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from models.errors import AcornError, InputError, UnknownTargetError
from models.feature_table import FeatureRow
from models.spaces import Architecture
from service.answers import Known, answer
from service.cache import FeatureCache
from service.features import FeatureTask
from service.forests import Forest, Forests
from service.parsing import parse_request
from service.problems import (
    InvalidRequestError,
    ProblemItem,
    ServiceError,
    TooMuchWorkError,
    status_of,
)
from service.schemas import PredictRequest, PredictResponse
from service.workers import Outcome

T = TypeVar("T")

FEW = 16
"""Architectures that are not worth a thread."""

Compute = Callable[
    [Mapping[str, FeatureTask]], Awaitable[Mapping[str, Outcome[FeatureRow] | AcornError]]
]
"""Computes the features of several functions; :meth:`service.workers.WorkerPool.compute` is one."""


@dataclass(frozen=True, slots=True)
class _Plan:
    request: PredictRequest
    architectures: list[Architecture]
    forest: Forest
    targets: list[str]
    known: dict[str, Known]  # by id
    unknown: dict[str, Architecture]  # by id


class Predictor:
    """Answers prediction requests.

    Parameters
    ----------
    forests
        What may answer.
    cache
        Features computed before.
    compute
        Computes the features of functions that neither a table nor the cache knows.
    max_architectures
        Most architectures that a request may have.
    max_explanations
        Most architectures times targets that are explained.
    """

    def __init__(
        self,
        forests: Forests,
        cache: FeatureCache,
        compute: Compute,
        *,
        max_architectures: int,
        max_explanations: int,
    ) -> None:
        self._forests = forests
        self._cache = cache
        self._compute = compute
        self._max_architectures = max_architectures
        self._max_explanations = max_explanations
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="acorn-forest")

    async def predict(self, document: object) -> PredictResponse:
        """Answer a request, given as the JSON document that it is.

        Raises
        ------
        InvalidRequestError
            Lists every bad item.
        ServiceError
            If features cannot be computed now, or at all.
        """
        # In a thread if there is much, which would keep the event loop from all else.
        plan = (
            self._plan(document)
            if _is_small(document)
            else await self._in_thread(self._plan, document)
        )
        await self._complete(plan)
        return await self._in_thread(
            answer, plan.request, plan.architectures, plan.forest, plan.targets, plan.known
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _plan(self, document: object) -> _Plan:
        parsed = parse_request(document, max_architectures=self._max_architectures)
        request, errors = parsed.request, list(parsed.errors)
        forest, refusals = self._forests.choose(request, parsed.architectures)
        errors += refusals
        targets = list(dict.fromkeys(request.targets or ()))
        if forest is not None:
            errors += _unknown_targets(forest, request.targets or ())
            targets = targets or list(forest.targets)
        errors += self._explain_errors(request, len(request.architectures) * len(targets))
        if errors or forest is None:
            raise InvalidRequestError(errors)
        architectures = [*parsed.architectures.values()]
        distinct = {architecture.id: architecture for architecture in architectures}
        known = {id_: Known(row, "table") for id_, row in forest.table_rows(distinct).items()}
        unknown = {id_: each for id_, each in distinct.items() if id_ not in known}
        return _Plan(request, architectures, forest, targets, known, unknown)

    def _explain_errors(self, request: PredictRequest, explanations: int) -> list[ProblemItem]:
        if request.explain == "shap":
            detail = "got 'shap'; expected none or path, since shap is not offered yet"
        elif request.explain == "path" and explanations > self._max_explanations:
            detail = (
                f"got {explanations} architectures times targets to explain; "
                f"expected at most {self._max_explanations}"
            )
        else:
            return []
        return [ProblemItem(pointer="/explain", detail=detail)]

    async def _complete(self, plan: _Plan) -> None:
        """Find or compute the features that the forest's table does not have."""
        if not plan.unknown:
            return
        recipe = plan.forest.recipe
        cached = await self._cache.find([*plan.unknown], recipe)
        for id_, row in cached.items():
            plan.known[id_] = Known(row, "cache")
        tasks = {
            f"{id_}@{plan.forest.key}": FeatureTask(each.space, each.canonical, recipe)
            for id_, each in plan.unknown.items()
            if id_ not in cached
        }
        if not tasks:
            return
        try:
            outcomes = await self._compute(tasks)
        except TooMuchWorkError as error:
            item = ProblemItem(pointer="/architectures", detail=str(error))
            raise InvalidRequestError([item]) from None
        failures: dict[str, AcornError] = {}
        for key, outcome in outcomes.items():
            id_ = key.removesuffix(f"@{plan.forest.key}")
            if isinstance(outcome, Outcome):
                plan.known[id_] = Known(
                    outcome.result, "computed", outcome.queue_seconds, outcome.seconds
                )
            else:
                failures[id_] = outcome
        if failures:
            raise _failure(plan.architectures, failures)


def _is_small(document: object) -> bool:
    items = document.get("architectures") if isinstance(document, dict) else None
    return not isinstance(items, list) or len(items) <= FEW


def _unknown_targets(forest: Forest, targets: Sequence[str]) -> list[ProblemItem]:
    errors = []
    for index, target in enumerate(targets):
        try:
            forest.bundle.target(target)
        except UnknownTargetError as error:
            errors.append(ProblemItem(pointer=f"/targets/{index}", detail=str(error)))
    return errors


def _failure(architectures: list[Architecture], failures: Mapping[str, AcornError]) -> AcornError:
    """Make one error of many, of the worst status, that names every item concerned."""
    items = [
        ProblemItem(pointer=f"/architectures/{index}", detail=str(failures[each.id]))
        for index, each in enumerate(architectures)
        if each.id in failures
    ]
    worst = max(failures.values(), key=status_of)
    if isinstance(worst, InputError):
        return InvalidRequestError(items)
    if isinstance(worst, ServiceError):
        return type(worst)(str(worst), errors=items, retry_after=worst.retry_after)
    return worst
