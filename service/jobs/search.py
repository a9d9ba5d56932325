"""Search jobs: the candidates of a request, the next generation, and the front so far.

A search evaluates architectures as a job of predictions does: in parts, each answered by the
server's own path of predictions. If the candidates are not a list from the beginning, a part is a
generation of evolution, and the server that finishes it adds the next one in the same transaction.
What comes next follows from the results alone, so any server continues the search.
"""

import json
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from cachetools import LRUCache
from pydantic import ValidationError

from acorn.datasets import get_dataset
from acorn.errors import InputError, abbreviate
from acorn.nas.candidates import candidate_spec, find_candidates
from acorn.nas.nsga2 import next_generation
from acorn.nas.objectives import Constraint, EvolutionSettings, Objectives, check_names
from acorn.schemas.jobs import FrontMember, SearchFront, SearchJob
from acorn.schemas.prediction import Quantity
from acorn.schemas.problems import ProblemItem
from acorn.spaces import SPACES, Cost, get_space
from acorn.strict_json import escape
from acorn.targets import COSTS
from service.errors import InvalidRequestError
from service.jobs.checking import Errors, check_all
from service.jobs.job_tables import result_row
from service.jobs.store import JobStore
from service.prediction.isolated_process import cost
from service.prediction.plan import check_length, problem_item
from service.prediction.predictor import Predictor

logger = logging.getLogger(__name__)

TRIES = 1_000
"""Architectures without a new one among them after which a search ends, which bounds the time."""

KEPT_FRONTS = 64
LINES = 500
"""Results that are read from the database at a time."""

Spec = dict[str, object]


@dataclass(frozen=True)
class NewSearch:
    """A valid search.

    Attributes
    ----------
    options : dict
        What the parts and the front need.
    candidates : list of dict
        All candidates; the first generation if the search evolves.
    total : int
        Most architectures to evaluate.
    """

    options: dict[str, Any]
    candidates: list[Spec]
    total: int

    @property
    def evolves(self) -> bool:
        """Whether other generations follow."""
        return "evolution" in self.options


def read_search(document: Mapping[str, Any], predictor: Predictor, *, most: int) -> NewSearch:
    """Check a request for a search, and choose its forest and its first candidates.

    Parameters
    ----------
    document : mapping
        The request as a JSON object.
    predictor : Predictor
        Checks the architectures.
    most : int
        Largest number of candidates.

    Returns
    -------
    NewSearch

    Raises
    ------
    InvalidRequestError
        Lists every invalid item.
    """
    archs = document.get("archs")
    check_length(len(archs) if isinstance(archs, list) else 0, most, "/archs")
    try:
        request = SearchJob.model_validate(document)
    except ValidationError as error:
        items = [problem_item(details) for details in error.errors(include_url=False)[:100]]
        raise InvalidRequestError(items, count=error.error_count()) from None
    objectives = _objectives(request)
    options: dict[str, Any] = {
        "kind": "search",
        "interval": request.interval,
        "features": False,
        **({} if request.conditions is None else {"conditions": dict(request.conditions)}),
        "objectives": [*objectives.names],
        "constraints": [str(each) for each in objectives.constraints],
        "pessimistic": request.pessimistic,
        "in_domain": request.in_domain,
        "space": request.space,
    }
    if request.space not in SPACES:
        detail = f"got space {abbreviate(request.space)}; expected one of {', '.join(SPACES)}"
        raise InvalidRequestError([ProblemItem(pointer="/space", detail=detail)])
    space = SPACES[request.space]
    given: list[Spec] = [{"space": space.name, "arch": arch} for arch in request.archs or ()]
    asked = {"forest": request.forest, "dataset": request.dataset}
    asked = {name: value for name, value in asked.items() if value is not None}
    targets = objectives.targets
    checked = {**predict_options(options), **asked} | ({"targets": targets} if targets else {})
    example: Spec = {"space": space.name, "arch": space.example}
    errors = Errors()
    specs = dict(enumerate(given or [example]))
    choice = check_all("predictions", checked, specs, predictor, errors)
    if errors.count or choice is None:
        listed = [_moved(item, request, targets) for item in errors.listed]
        raise InvalidRequestError(listed, count=errors.count)
    options |= choice
    forest = predictor.check({**checked, **choice, "architectures": [example]}, total=1)
    bundle = forest.bundle
    options["targets"] = targets or [bundle.targets[0]]
    options["quantities"] = [
        Quantity.named(name, None if name in COSTS else bundle.describe(name)).model_dump()
        for name in objectives.quantities
    ]
    if given:
        return NewSearch(options, given, len(given))
    try:
        candidates = find_candidates(
            bundle, space, dict(request.conditions or {}), request.evaluations
        )
        if candidates is not None:
            known = [candidate_spec(space.name, candidate) for candidate in candidates]
            check_length(len(known), most, "/space")
            return NewSearch(options, known, len(known))
        evolution = EvolutionSettings(request.population, request.evaluations, request.seed)
        options["evolution"] = [evolution.population, evolution.evaluations, evolution.seed]
        return NewSearch(options, next_candidates(options, []), evolution.evaluations)
    except InvalidRequestError:
        raise
    except InputError as error:
        pointer = "/evaluations" if request.evaluations < request.population else "/space"
        raise InvalidRequestError([ProblemItem(pointer=pointer, detail=str(error))]) from None


def predict_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the requests with which a search predicts its architectures."""
    names = ("dataset", "forest", "targets", "interval", "conditions", "features")
    return {name: options[name] for name in names if name in options}


def next_candidates(options: Mapping[str, Any], lines: Iterable[str]) -> list[Spec]:
    """Choose the next generation of a search.

    Parameters
    ----------
    options : mapping
        Those of a :class:`NewSearch` that evolves.
    lines : iterable of str
        All results so far, in order.

    Returns
    -------
    list of dict
        Specifications; none if the search has reached its end.

    Raises
    ------
    InputError
        As :func:`~acorn.nas.nsga2.next_generation` does.
    """
    results = [json.loads(line) for line in lines]
    tried = [(each.get("prediction") or each["architecture"])["arch"] for each in results]
    space = get_space(options["space"])
    size = (options.get("conditions") or {}).get("image_size")
    dataset = get_dataset(options["dataset"]).at(size)

    def cost_of(canonical: str) -> Cost:
        return cost(space.name, canonical, dataset)

    generation = next_generation(
        space,
        _stored_objectives(options),
        EvolutionSettings(*options["evolution"]),
        cost_of,
        _frame(results),
        tried,
        tries=TRIES,
    )
    return [candidate_spec(space.name, canonical) for canonical in generation]


@dataclass
class _Front:
    """The front of a job up to an index.

    Attributes
    ----------
    stop : int
        Index of the first result that was not read.
    evaluated, kept : int
        Architectures before it with a prediction, and those that keep the constraints.
    lines : list of str
        Results on the front, the best by the first objective first.
    """

    stop: int = 0
    evaluated: int = 0
    kept: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, objectives: Objectives, lines: Sequence[str]) -> None:
        """Add results; a front with them follows from the front without them."""
        results = [json.loads(line) for line in lines]
        frame = _frame(results)
        if not len(frame):
            return
        self.evaluated += len(frame)
        self.kept += int((objectives.violations(frame) == 0).sum())
        both = [*self.lines, *lines]
        former = _frame([json.loads(line) for line in self.lines])
        joined = pl.concat([former, frame], how="diagonal_relaxed") if len(former) else frame
        position = {json.loads(line)["index"]: line for line in both}
        self.lines = [position[index] for index in objectives.front(joined)["index"]]


class SearchFronts:
    """Fronts of searches, each brought up to date from the results that have come since.

    Parameters
    ----------
    store : JobStore
        Keeps the jobs.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._fronts: LRUCache[str, _Front] = LRUCache(KEPT_FRONTS)
        self._lock = threading.Lock()

    def get(self, id_: str, client: str) -> SearchFront:
        """Find the front of a search so far.

        Parameters
        ----------
        id_ : str
            The job.
        client : str
            The client that sent it.

        Returns
        -------
        SearchFront

        Raises
        ------
        NotFoundError
            If this client has no such job, or it is no search.
        """
        options = self._store.search_options(id_, client)
        objectives = _stored_objectives(options)
        with self._lock:
            job, stop = self._store.readable(id_, client)
            front = self._fronts.setdefault(id_, _Front())
            while front.stop < stop:
                rows = self._store.lines(id_, front.stop, stop, most=LINES)
                if not rows:
                    break
                front.add(objectives, [line for _, line in rows])
                front.stop = rows[-1][0] + 1
            lines, evaluated, kept = [*front.lines], front.evaluated, front.kept
        return SearchFront(
            job=job,
            objectives=options["objectives"],
            constraints=options["constraints"],
            quantities=[Quantity(**each) for each in options["quantities"]],
            evaluated=evaluated,
            kept=kept,
            front=[FrontMember.model_validate_json(line) for line in lines],
        )


def _frame(results: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Table of the predictions among results."""
    rows = [result_row(each) for each in results if each.get("prediction") is not None]
    return pl.DataFrame(rows, infer_schema_length=None)


def _stored_objectives(options: Mapping[str, Any]) -> Objectives:
    constraints = [Constraint.parse(text) for text in options["constraints"]]
    return Objectives(
        options["objectives"], constraints, options["pessimistic"], options["in_domain"]
    )


def _objectives(request: SearchJob) -> Objectives:
    """Read objectives and constraints; lists all that are wrong."""
    errors = []
    try:
        check_names(request.objectives)
    except InputError as error:
        errors.append(ProblemItem(pointer="/objectives", detail=str(error)))
    constraints = []
    for place, text in enumerate(request.constraints):
        try:
            constraints.append(Constraint.parse(text))
        except InputError as error:
            errors.append(ProblemItem(pointer=f"/constraints/{place}", detail=str(error)))
    if errors:
        raise InvalidRequestError(errors)
    return Objectives(request.objectives, constraints, request.pessimistic, request.in_domain)


def _moved(item: ProblemItem, request: SearchJob, targets: Sequence[str]) -> ProblemItem:
    """Point to the place in a search that an item of a request for predictions comes from."""
    parts = item.pointer.split("/")[1:]
    pointer = item.pointer
    match parts:
        case ["architectures", _, "space", *_]:
            pointer = "/space"
        case ["architectures", place, "arch", *_] if request.archs:
            pointer = f"/archs/{place}"
        case ["architectures", _, "conditions", name, *_]:
            pointer = f"/conditions/{escape(name)}"
        case ["targets", place]:
            name = targets[int(place)]
            if name in request.objectives:
                pointer = f"/objectives/{request.objectives.index(name)}"
            else:
                names = [Constraint.parse(text).name for text in request.constraints]
                pointer = f"/constraints/{names.index(name)}"
    return ProblemItem(pointer=pointer, detail=item.detail)
