"""From a request to a response: parse, find or compute features, predict.

Independent of HTTP and of processes; used by the server and the command line.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from acorn.errors import AcornError, InputError, UnknownTargetError
from acorn.features.feature_table import FeatureTable
from acorn.schemas.prediction import (
    ForestName,
    Prediction,
    PredictRequest,
    PredictResponse,
    ProxyProvenance,
)
from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError
from service.prediction.cases import Case, make_cases
from service.prediction.feature_path import (
    ArchFeatures,
    Compute,
    FeaturePath,
    OnLookup,
    SizeLimits,
    combined_error,
)
from service.prediction.isolated_process import is_isolated
from service.prediction.plan import FEW, Plan, is_quick, parse_request
from service.prediction.proxies import ProxyAnswers, proxy_recipe
from service.prediction.responses.answers import answer, submitted_cost
from service.prediction.responses.rendering import Renderer
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle
from service.storage.cache import FeatureCache

T = TypeVar("T")


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
    device : str, default="auto"
        Device of the workers, as responses with proxies name it.

    Attributes
    ----------
    proxies : ProxyAnswers
        Answers requests for proxies alone.
    """

    def __init__(
        self,
        repository: ModelRepository,
        cache: FeatureCache,
        compute: Compute,
        *,
        max_architectures: int,
        max_explanations: int,
        on_lookup: OnLookup = lambda _source, _n: None,
        sizes: SizeLimits | None = None,
        precompute: bool = False,
        device: str = "auto",
    ) -> None:
        self._repository = repository
        self._max_architectures = max_architectures
        self._max_explanations = max_explanations
        self._on_lookup = on_lookup
        self._renderer = Renderer()
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="acorn-forest")
        self._features = FeaturePath(
            cache, compute, self._threads, on_lookup=on_lookup, sizes=sizes
        )
        self.proxies = ProxyAnswers(
            self._features,
            self._tables,
            self._threads,
            max_architectures=max_architectures,
            device=device,
        )
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
        respond = partial(answer, related=plan.is_related)
        return await self._in_thread(
            respond,
            plan.request,
            plan.architectures,
            plan.forest,
            plan.targets,
            known,
            self._provenance(plan),
        )

    async def plan(self, document: object) -> Plan:
        """Validate a request, and choose its forest; raises as :meth:`predict` does."""
        # A long request is parsed in a thread, since it would block the event loop.
        if is_quick(document):
            return self._plan(document)
        plan = await self._in_thread(self._plan, document)
        if any(is_isolated(arch.space, arch.arch) for arch in plan.architectures):
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
        return self._renderer.write(plan, texts, {}, self._provenance(plan))

    async def respond(self, plan: Plan) -> bytes:
        """Answer a request as JSON: the response of :meth:`predict` as text; raises as it does."""
        texts = self._renderer.cached_texts(plan)
        self._count(plan, texts)
        missing = {key: case for key, case in plan.distinct.items() if key not in texts}
        known = await self._all_features(plan, missing) if missing else {}
        if len(plan.architectures) == 1 and plan.request.explain == "none":
            return self._renderer.write(plan, texts, known, self._provenance(plan))
        return await self._in_thread(
            self._renderer.write, plan, texts, known, self._provenance(plan)
        )

    def _count(self, plan: Plan, texts: Mapping[str, bytes]) -> None:
        table = plan.forest.bundle.table
        in_table = sum(plan.distinct[key].row_id in table for key in texts)
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
        known, failures = await self._find(plan, plan.distinct, compute)
        valid = [case for case in plan.architectures if case.key not in failures]
        predictions: Iterator[Prediction] = iter(())
        if valid:
            response = await self._in_thread(
                answer, plan.request, valid, plan.forest, plan.targets, known
            )
            predictions = iter(response.predictions)
        answers = [failures.get(case.key) or next(predictions) for case in plan.architectures]
        return plan.forest.answer_name, answers

    def close(self) -> None:
        """Stop the threads."""
        self._closed.set()
        self._background.shutdown()
        self._threads.shutdown()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _plan(self, document: object, *, total: int | None = None) -> Plan:
        most = self._max_architectures if total is None else sys.maxsize
        parsed = parse_request(document, PredictRequest, max_architectures=most)
        request, errors = parsed.request, list(parsed.errors)
        forest, refusals = self._repository.snapshot.choose(request, parsed.architectures)
        errors += refusals
        targets = list(dict.fromkeys(request.targets or ()))
        cases: list[Case] = []
        if forest is not None:
            cases, condition_errors = make_cases(request, parsed.architectures, forest.bundle)
            errors += condition_errors
            errors += _unknown_targets(forest, request.targets or ())
            targets = targets or list(forest.targets)
        proxies = None
        if request.proxies is not None:
            dataset = forest.bundle.dataset if forest is not None else request.dataset
            proxies, unknown = proxy_recipe(dataset, request.proxies, seed=0)
            errors += unknown
        n = len(targets) * (len(request.architectures) if total is None else total)
        if request.explain != "none" and n > self._max_explanations:
            detail = (
                f"got {n} architectures times targets to explain; "
                f"expected at most {self._max_explanations}"
            )
            errors.append(ProblemItem(pointer="/explain", detail=detail))
        if errors or forest is None:
            raise InvalidRequestError(errors)
        distinct = {case.key: case for case in cases}
        return Plan(request, cases, distinct, forest, tuple(targets), proxies)

    async def _all_features(self, plan: Plan, cases: Mapping[str, Case]) -> dict[str, ArchFeatures]:
        """Find or compute features; raise one error if any architecture fails."""
        known, failures = await self._find(plan, cases)
        if failures:
            raise combined_error(plan.architectures, failures)
        return known

    async def _find(
        self, plan: Plan, cases: Mapping[str, Case], compute: Compute | None = None
    ) -> tuple[dict[str, ArchFeatures], dict[str, AcornError]]:
        """Find or compute features, and the proxies of the request; by key of the case."""
        proxies: dict[str, ArchFeatures] = {}
        failures: dict[str, AcornError] = {}
        if plan.proxies is not None:  # first: their rows have all structure features
            proxies, failures = await self.proxies.find(cases, plan.proxies, compute)
            cases = {key: case for key, case in cases.items() if key in proxies}
        forest = plan.forest
        tables = [forest.bundle.table]
        known, failed = await self._features.find(cases, forest.recipe, tables, compute)
        is_known = any(features.source == "table" for features in known.values())
        if is_known and self._precompute and forest.precomputed.start():
            self._background.submit(forest.precomputed.compute, self._closed)
        if proxies:
            known = {key: features.with_proxies(proxies[key]) for key, features in known.items()}
        for key, error in failed.items():
            case = cases[key]
            failures[key] = forest.bundle.missing_row(case.id, case.conditions, error)
        return known, failures

    def _tables(self) -> list[FeatureTable]:
        return [forest.bundle.table for forest in self._repository.snapshot]

    def _provenance(self, plan: Plan) -> ProxyProvenance | None:
        return None if plan.proxies is None else self.proxies.provenance(plan.proxies)


def _count_costs(plan: Plan) -> None:
    """Compute costs that take long now, so that they are cached when the response is written."""
    errors = []
    for index, case in enumerate(plan.architectures):
        try:
            submitted_cost(case, plan.forest.bundle)
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
