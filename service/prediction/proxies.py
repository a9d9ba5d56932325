"""Proxies of architectures, without a forest: from a request to its response."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from acorn.datasets import DATASETS
from acorn.errors import AcornError, UnknownDatasetError, UnknownProxyError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.features.recipe import FeatureRecipe, proxy_names
from acorn.schemas.prediction import ProxyProvenance
from acorn.schemas.problems import ProblemItem
from acorn.schemas.proxies import ProxyRequest, ProxyResponse, ProxyResult
from service.errors import InvalidRequestError
from service.prediction.cases import Case
from service.prediction.feature_path import ArchFeatures, Compute, FeaturePath, combined_error
from service.prediction.plan import is_quick, parse_request

Tables = Callable[[], Iterable[FeatureTable]]
"""Gives the feature tables of the bundles in service."""


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """A valid request for proxies.

    Attributes
    ----------
    architectures : list of Case
        In the order of the request; several may be equivalent.
    recipe : FeatureRecipe
        The proxies and their settings.
    """

    architectures: list[Case]
    recipe: FeatureRecipe

    @property
    def distinct(self) -> dict[str, Case]:
        """One architecture of each equivalence class, by key."""
        return {case.key: case for case in self.architectures}


class ProxyAnswers:
    """Answers requests for proxies.

    Parameters
    ----------
    features : FeaturePath
        Finds or computes the values.
    tables : Tables
        Where known values are looked up first.
    threads : Executor
        Parses long requests.
    max_architectures : int
        Most architectures of a request.
    device : str
        Device of the workers, for the response.
    """

    def __init__(
        self,
        features: FeaturePath,
        tables: Tables,
        threads: Executor,
        *,
        max_architectures: int,
        device: str,
    ) -> None:
        self._features = features
        self._tables = tables
        self._threads = threads
        self._max_architectures = max_architectures
        self._device = device

    async def compute(self, document: object) -> ProxyResponse:
        """Answer a request.

        Parameters
        ----------
        document : object
            The request as a JSON document.

        Returns
        -------
        ProxyResponse

        Raises
        ------
        InvalidRequestError
            Lists every invalid item.
        ServiceError
            If proxies cannot be computed now, or at all.
        """
        plan = await self._plan(document, is_quick(document), self._max_architectures)
        known, failures = await self.find(plan.distinct, plan.recipe)
        if failures:
            raise combined_error(plan.architectures, failures)
        results = [_result(case, known[case.key], plan.recipe) for case in plan.architectures]
        return ProxyResponse(results=results, settings=self.provenance(plan.recipe))

    async def compute_each(
        self, document: object, *, compute: Compute
    ) -> tuple[ProxyProvenance, list[ProxyResult | AcornError]]:
        """Compute a slice that was checked; architectures that fail get an error each.

        Parameters
        ----------
        document : object
            A request; the limits on its length do not apply.
        compute : Compute
            Computes proxies.

        Returns
        -------
        settings : ProxyProvenance
        results : list of ProxyResult or AcornError
            In the order of the request.
        """
        plan = await self._plan(document, False, sys.maxsize)
        known, failures = await self.find(plan.distinct, plan.recipe, compute)
        results = [
            failures.get(case.key) or _result(case, known[case.key], plan.recipe)
            for case in plan.architectures
        ]
        return self.provenance(plan.recipe), results

    def check(self, document: object) -> str:
        """Check a slice of a list of architectures, of any length; returns the dataset."""
        return plan_proxies(document, max_architectures=sys.maxsize).recipe.settings.dataset

    async def find(
        self, cases: Mapping[str, Case], recipe: FeatureRecipe, compute: Compute | None = None
    ) -> tuple[dict[str, ArchFeatures], dict[str, AcornError]]:
        """Find or compute proxies; as :meth:`FeaturePath.find` with the tables in service."""
        names = {*recipe.names}
        tables = (
            table
            for table in self._tables()
            if table.settings == recipe.settings and names <= {*table.feature_names}
        )
        return await self._features.find(cases, recipe, tables, compute)

    def provenance(self, recipe: FeatureRecipe) -> ProxyProvenance:
        """Describe what proxies are computed with."""
        return ProxyProvenance(**asdict(recipe.settings), device=self._device)

    async def _plan(self, document: object, quick: bool, most: int) -> ProxyPlan:
        plan = partial(plan_proxies, document, max_architectures=most)
        if quick:
            return plan()
        return await asyncio.get_running_loop().run_in_executor(self._threads, plan)


def plan_proxies(document: object, *, max_architectures: int) -> ProxyPlan:
    """Validate a request for proxies.

    Parameters
    ----------
    document : object
        The request as a JSON document.
    max_architectures : int
        Most architectures that it may have.

    Returns
    -------
    ProxyPlan

    Raises
    ------
    InvalidRequestError
        Lists every invalid item.
    """
    parsed = parse_request(document, ProxyRequest, max_architectures=max_architectures)
    request, errors = parsed.request, list(parsed.errors)
    if request.dataset not in DATASETS:
        detail = str(UnknownDatasetError(request.dataset, DATASETS))
        errors.append(ProblemItem(pointer="/dataset", detail=detail))
    recipe, unknown = proxy_recipe(request.dataset, request.proxies, seed=request.seed)
    if errors := errors + unknown:
        raise InvalidRequestError(errors)
    return ProxyPlan([Case.plain(arch) for arch in parsed.architectures.values()], recipe)


def proxy_recipe(
    dataset: str | None, names: Sequence[str] | None, *, seed: int
) -> tuple[FeatureRecipe, list[ProblemItem]]:
    """Make the recipe of some proxies.

    Parameters
    ----------
    dataset : str or None
        Name of the dataset; the recipe of an unknown one is not to be computed.
    names : sequence of str or None
        Names of proxies; None is all.
    seed : int
        Seeds weights and noise.

    Returns
    -------
    recipe : FeatureRecipe
    errors : list of ProblemItem
        One for each unknown name.
    """
    known = proxy_names()
    errors = [
        ProblemItem(pointer=f"/proxies/{index}", detail=str(UnknownProxyError(name, known)))
        for index, name in enumerate(names or ())
        if name not in known
    ]
    wanted = known if names is None else tuple(sorted({*names} & {*known}))
    usual = dataset if dataset is not None and dataset in DATASETS else next(iter(DATASETS))
    return FeatureRecipe(ProxySettings.embedded(usual, seed=seed), wanted), errors


def values_of(row: FeatureRow, names: Iterable[str]) -> dict[str, Any]:
    """Select proxies of a row: values, standard errors and reasons, by name."""
    wanted = dict.fromkeys(names)
    return {
        "proxies": {name: row.values[name] for name in wanted},
        "errors": {name: row.errors[name] for name in wanted if name in row.errors},
        "reasons": {name: row.reasons[name] for name in wanted if name in row.reasons},
    }


def _result(case: Case, features: ArchFeatures, recipe: FeatureRecipe) -> ProxyResult:
    return ProxyResult(
        id=case.id,
        space=case.space,
        arch=case.canonical,
        source=features.source,
        seconds=features.seconds,
        **values_of(features.row, recipe.names),
    )
