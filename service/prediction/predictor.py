"""From a request to a response: parse, find or compute features, predict.

Independent of HTTP and of processes; used by the server and the command line.
"""

import asyncio
import copy
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from acorn.datasets import get_dataset
from acorn.errors import AcornError, InputError, UnknownTargetError
from acorn.features.feature_table import FeatureRow
from acorn.schemas.prediction import (
    FeatureSource,
    ForestName,
    Prediction,
    PredictRequest,
    PredictResponse,
)
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
from service.prediction.answers import ArchFeatures, answer, submitted_cost
from service.prediction.isolated_process import is_isolated
from service.prediction.plan import Plan, parse_request
from service.prediction.rendering import Renderer
from service.prediction.size_limits import SizeLimits
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle
from service.storage.cache import FeatureCache
from service.workers import Outcome
from service.workers.feature_work import FeatureTask

T = TypeVar("T")

FEW = 16
"""Most architectures that are processed without a thread."""

Compute = Callable[
    [Mapping[str, FeatureTask]], Awaitable[Mapping[str, Outcome[FeatureRow] | AcornError]]
]
"""Computes the features of architectures, as :meth:`service.workers.WorkerPool.compute` does."""


class Predictor:
    """Answers prediction requests.

    Parameters
    ----------
    repository : ModelRepository
        The bundles in service.
    cache : FeatureCache
        Features computed before.
    compute : Compute
        Computes features that neither a table nor the cache has.
    max_architectures : int
        Most architectures of a request.
    max_explanations : int
        Most architectures times targets that a request explains.
    on_lookup : callable
        Called with a source of features, and the number of architectures that it had.
    sizes : SizeLimits, default=None
        Largest networks to compute; None is no limit.
    precompute : bool, default=False
        Whether to predict the whole table of a forest in the background after its first request.
    """

    def __init__(
        self,
        repository: ModelRepository,
        cache: FeatureCache,
        compute: Compute,
        *,
        max_architectures: int,
        max_explanations: int,
        on_lookup: Callable[[FeatureSource, int], None] = lambda _source, _n: None,
        sizes: SizeLimits | None = None,
        precompute: bool = False,
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._compute = compute
        self._max_architectures = max_architectures
        self._max_explanations = max_explanations
        self._on_lookup = on_lookup
        self._sizes = sizes
        self._renderer = Renderer()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="acorn-forest")
        self._precompute = precompute
        self._background = ThreadPoolExecutor(1, thread_name_prefix="acorn-precompute")
        self._closed = threading.Event()

    async def predict(self, document: object) -> PredictResponse:
        """Answer a request.

        Parameters
        ----------
        document : object
            The request as a JSON document.

        Returns
        -------
        PredictResponse

        Raises
        ------
        InvalidRequestError
            Lists every invalid item.
        ServiceError
            If features cannot be computed now, or at all.
        """
        plan = await self.plan(document)
        known = await self._all_features(plan, plan.distinct)
        return await self._in_thread(
            answer, plan.request, plan.architectures, plan.forest, plan.targets, known
        )

    async def plan(self, document: object) -> Plan:
        """Validate a request, and choose its forest; raises as :meth:`predict` does."""
        # A long request is parsed in a thread, since it would block the event loop.
        if _is_quick(document):
            return self._plan(document)
        plan = await self._in_thread(self._plan, document)
        if any(is_isolated(each.space) for each in plan.architectures):
            await self._in_thread(_count_costs, plan)
        return plan

    def respond_from_cache(self, plan: Plan) -> bytes | None:
        """Write the response to a short request if all predictions are cached; else return None.

        For architectures that have already been predicted, a thread or another turn of the event
        loop would cost more than the response.

        Parameters
        ----------
        plan : Plan

        Returns
        -------
        bytes or None
            JSON.
        """
        if len(plan.architectures) > FEW:
            return None
        texts = self._renderer.cached_texts(plan)
        if len(texts) < len(plan.distinct):
            return None
        self._count(plan, texts)
        return self._renderer.write(plan, texts, {})

    async def respond(self, plan: Plan) -> bytes:
        """Answer a request as JSON: the response of :meth:`predict` as text; raises as it does."""
        texts = self._renderer.cached_texts(plan)
        self._count(plan, texts)
        missing = {id_: each for id_, each in plan.distinct.items() if id_ not in texts}
        known = await self._all_features(plan, missing) if missing else {}
        if len(plan.architectures) == 1 and plan.request.explain == "none":
            return self._renderer.write(plan, texts, known)
        return await self._in_thread(self._renderer.write, plan, texts, known)

    def _count(self, plan: Plan, texts: Mapping[str, bytes]) -> None:
        in_table = sum(id_ in plan.forest.bundle.table for id_ in texts)
        self._on_lookup("table", in_table)
        self._on_lookup("cache", len(texts) - in_table)

    def check(self, document: object, *, total: int) -> ServedBundle:
        """Check a slice of a list of architectures, and choose its forest.

        Raises as :meth:`predict` does.

        Parameters
        ----------
        document : object
            A request with the slice, of any length.
        total : int
            Length of the whole list.

        Returns
        -------
        ServedBundle
        """
        return self._plan(document, total=total).forest

    async def predict_each(
        self, document: object, *, compute: Compute
    ) -> tuple[ForestName, list[Prediction | AcornError]]:
        """Predict a slice that was checked; architectures that fail get an error each.

        Parameters
        ----------
        document : object
            A request; the limits do not apply.
        compute : Compute
            Computes features, instead of the predictor's own function.

        Returns
        -------
        forest : ForestName
        predictions : list of Prediction or AcornError
            In the order of the request.

        Raises
        ------
        InvalidRequestError
            If no present forest can answer it.
        """
        plan = await self._in_thread(partial(self._plan, document, total=0))
        known, failures = await self._features(plan.forest, plan.distinct, compute)
        valid = [each for each in plan.architectures if each.id not in failures]
        predictions: Iterator[Prediction] = iter(())
        if valid:
            response = await self._in_thread(
                answer, plan.request, valid, plan.forest, plan.targets, known
            )
            predictions = iter(response.predictions)
        name = ForestName(name=plan.forest.name, version=plan.forest.bundle.version)
        return name, [failures.get(each.id) or next(predictions) for each in plan.architectures]

    def close(self) -> None:
        """Stop the threads."""
        self._closed.set()
        self._background.shutdown()
        self._threads.shutdown()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _plan(self, document: object, *, total: int | None = None) -> Plan:
        most = self._max_architectures if total is None else sys.maxsize
        parsed = parse_request(document, max_architectures=most)
        request, errors = parsed.request, list(parsed.errors)
        forest, refusals = self._repository.snapshot.choose(request, parsed.architectures)
        errors += refusals
        targets = list(dict.fromkeys(request.targets or ()))
        if forest is not None:
            errors += _unknown_targets(forest, request.targets or ())
            targets = targets or list(forest.targets)
        n = len(request.architectures) if total is None else total
        errors += self._explain_errors(request, n * len(targets))
        if errors or forest is None:
            raise InvalidRequestError(errors)
        architectures = [*parsed.architectures.values()]
        distinct = {architecture.id: architecture for architecture in architectures}
        return Plan(request, architectures, distinct, forest, tuple(targets))

    def _explain_errors(self, request: PredictRequest, explanations: int) -> list[ProblemItem]:
        if request.explain == "none" or explanations <= self._max_explanations:
            return []
        detail = (
            f"got {explanations} architectures times targets to explain; "
            f"expected at most {self._max_explanations}"
        )
        return [ProblemItem(pointer="/explain", detail=detail)]

    async def _all_features(
        self, plan: Plan, architectures: Mapping[str, Architecture]
    ) -> dict[str, ArchFeatures]:
        """Find or compute features; raise one error if any architecture fails."""
        known, failures = await self._features(plan.forest, architectures, self._compute)
        if failures:
            raise _failure(plan.architectures, failures)
        return known

    async def _features(
        self, forest: ServedBundle, architectures: Mapping[str, Architecture], compute: Compute
    ) -> tuple[dict[str, ArchFeatures], dict[str, AcornError]]:
        """Find or compute features; returns features and errors, both by id."""
        known = {
            id_: ArchFeatures(row, "table") for id_, row in forest.table_rows(architectures).items()
        }
        self._on_lookup("table", len(known))
        if known and self._precompute and forest.precomputed.start():
            self._background.submit(forest.precomputed.compute, self._closed)
        unknown = {id_: each for id_, each in architectures.items() if id_ not in known}
        if not unknown:
            return known, {}
        recipe = forest.recipe
        cached = await self._cache.find([*unknown], recipe)
        self._on_lookup("cache", len(cached))
        known |= {id_: ArchFeatures(row, "cache") for id_, row in cached.items()}
        new = {id_: each for id_, each in unknown.items() if id_ not in cached}
        failures: dict[str, AcornError] = {}
        if new and self._sizes is not None:
            failures |= await self._in_thread(self._sizes.refuse, new, forest.bundle.dataset)
        tasks = {
            f"{id_}@{forest.key}": FeatureTask(each.space, each.canonical, recipe)
            for id_, each in new.items()
            if id_ not in failures
        }
        if not tasks:
            return known, failures
        try:
            outcomes = await compute(tasks)
        except TooMuchWorkError as error:
            item = ProblemItem(pointer="/architectures", detail=str(error))
            raise InvalidRequestError([item]) from None
        done = 0
        for key, outcome in outcomes.items():
            id_ = key.removesuffix(f"@{forest.key}")
            if isinstance(outcome, Outcome):
                known[id_] = ArchFeatures(
                    outcome.result, "computed", outcome.queue_seconds, outcome.seconds
                )
                done += 1
            else:
                failures[id_] = outcome
        self._on_lookup("computed", done)
        return known, failures


def _is_quick(document: object) -> bool:
    items = document.get("architectures") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return True
    return len(items) <= FEW and not any(
        isinstance(item, dict) and is_isolated(item.get("space")) for item in items
    )


def _count_costs(plan: Plan) -> None:
    """Compute costs that take long now, so that they are cached when the response is written."""
    dataset = get_dataset(plan.forest.bundle.dataset)
    errors = []
    for index, each in enumerate(plan.architectures):
        try:
            submitted_cost(each, dataset)
        except InputError as error:  # too large, or not for images of this size
            pointer = f"/architectures/{index}/arch"
            errors.append(ProblemItem(pointer=pointer, detail=str(error)))
    if errors:
        raise InvalidRequestError(errors)


def _unknown_targets(forest: ServedBundle, targets: Sequence[str]) -> list[ProblemItem]:
    errors = []
    for index, target in enumerate(targets):
        try:
            forest.bundle.target(target)
        except UnknownTargetError as error:
            errors.append(ProblemItem(pointer=f"/targets/{index}", detail=str(error)))
    return errors


def _severity(error: AcornError) -> int:
    """Rank an error by who can act: the client, the client later, nobody, the operator."""
    match error:
        case InputError():
            return 0
        case QueueFullError():
            return 1
        case UnavailableError():
            return 3
        case DeadlineError():
            return 4
        case _:
            return 2


def _failure(architectures: list[Architecture], failures: Mapping[str, AcornError]) -> AcornError:
    """Combine errors into one of the most severe class, which lists every item."""
    items = [
        ProblemItem(pointer=f"/architectures/{index}", detail=str(failures[each.id]))
        for index, each in enumerate(architectures)
        if each.id in failures
    ]
    worst = max(failures.values(), key=_severity)
    if isinstance(worst, InputError):
        return InvalidRequestError(items)
    if isinstance(worst, ServiceError):
        error = copy.copy(worst)  # its class may have other arguments
        error.errors = items
        return error
    return worst
