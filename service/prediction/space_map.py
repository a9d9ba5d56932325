"""Maps of a space: two predicted targets or costs of all architectures of a bundle's table."""

import asyncio
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from acorn.conditions import IMAGE_SIZE, ConditionValue, parse_conditions, read_conditions
from acorn.datasets import get_dataset
from acorn.errors import InputError, UnknownTargetError
from acorn.forests import Bundle
from acorn.forests.bundle import Conditions, image_size_of
from acorn.nas.candidates import known_architectures
from acorn.pareto import pareto_front
from acorn.schemas.prediction import ForestName, Quantity
from acorn.schemas.problems import ProblemItem
from acorn.spaces import SPACES, UNIVERSAL, Cost
from acorn.targets import COSTS
from service.errors import InvalidRequestError, NotFoundError
from service.prediction.responses.rendering import TextCache
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle

MOST_POINTS = 5_000
"""Most points of a map; more cannot be distinguished on a screen and take long to send."""

LOG_RATIO = 100
"""Costs with a larger ratio of the largest to the smallest have a logarithmic scale."""

KEPT_BYTES = 8 * 2**20
DIGITS = 4

Floats = NDArray[np.float64]


class MapPoints(BaseModel):
    """Canonical architectures and their coordinates, as lists of equal length."""

    arch: list[str] = Field(description="Canonical forms.")
    x: list[float]
    y: list[float]
    image_size: list[int] | None = Field(
        default=None,
        description="Image size of each, if the forest reads it: a network has one point for each.",
    )


class SpaceMap(BaseModel):
    """Architectures of a space by two axes, each at its own image size if the forest reads it."""

    forest: ForestName
    space: str
    dataset: str
    conditions: dict[str, ConditionValue] = Field(
        description="Conditions of all points; without the image size if there are several."
    )
    total: int = Field(description="Architectures with features in the bundle.")
    x: Quantity
    y: Quantity
    points: MapPoints = Field(
        description=f"All architectures; of more than {MOST_POINTS}, a random sample of that size "
        "and the whole front."
    )
    front: list[int] = Field(
        description="Positions of the points on the Pareto front; best x first."
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows of a bundle's table that belong to a space.

    Attributes
    ----------
    ids : list of str
        Keys of the rows.
    archs : list of str
        Canonical forms.
    image_sizes : list of (int or None)
        Image size of each row; None if the bundle does not read it.
    columns : dict of str to ndarray
        Values of axes that were computed, by name.
    """

    ids: list[str]
    archs: list[str]
    image_sizes: list[int | None]
    columns: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, space: str) -> "_Known":
        """Find the rows; those whose image size the bundle does not accept are left out."""
        rows = known_architectures(bundle, space)
        return cls(
            [row.row_id for row in rows],
            [row.arch for row in rows],
            [row.image_size for row in rows],
        )


class SpaceMaps:
    """Makes and caches maps from the feature tables of the bundles.

    Parameters
    ----------
    repository : ModelRepository
        The bundles in service.
    """

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._known: dict[tuple[str, str], _Known] = {}
        self._texts = TextCache(KEPT_BYTES)
        self._working = asyncio.Lock()

    async def get(
        self, space: str, *, dataset: str | None, x: str, y: str, conditions: str = ""
    ) -> bytes:
        """Write the map of a space: a :class:`SpaceMap` as JSON, compressed with gzip.

        Parameters
        ----------
        space : str
            Chooses the forest: the space's own, or the universal one if its table has
            architectures of the space.
        dataset : str or None
            That of the forest; None is the first dataset of the space that has such a forest.
        x, y : str
            A target of the forest, in any spelling, or one of :data:`COSTS`.
        conditions : str, default=""
            Conditions of all points, such as ``pretraining=none``; by default those of the forest,
            and each image size of its table.

        Returns
        -------
        bytes

        Raises
        ------
        NotFoundError
            If no forest for the dataset has architectures of the space in its table.
        InvalidRequestError
            If there is no such axis or condition.
        """
        forest = self._find(space, dataset)
        axes, given = _checked(forest.bundle, {"x": x, "y": y}, conditions)
        key = (forest.digest, space, *axes, *sorted(given.items()))
        text = self._texts.get(key)
        if text is None:
            async with self._working:  # one map at a time
                text = self._texts.get(key)
                if text is None:
                    text = await asyncio.to_thread(self._write, forest, space, axes, given)
                    self._texts.put(key, text)
        return text

    def _find(self, space: str, dataset: str | None) -> ServedBundle:
        forests: dict[tuple[str, str], ServedBundle] = {}
        newest = self._repository.snapshot.newest.values()
        for forest in sorted(newest, key=lambda forest: forest.bundle.space == UNIVERSAL):
            for name in forest.table_spaces:
                if forest.covers(name):
                    forests.setdefault((name, forest.bundle.dataset), forest)
        if dataset is None and space in SPACES:
            candidates = [*SPACES[space].datasets, *(name for _, name in forests)]
            dataset = next((name for name in candidates if (space, name) in forests), None)
        if dataset is not None and (space, dataset) in forests:
            return forests[space, dataset]
        available = ", ".join(map(" on ".join, forests)) or "(there is none)"
        on_dataset = "" if dataset is None else f" on {dataset!r:.100}"
        raise NotFoundError(
            f"no forest has a table of {space!r:.100}{on_dataset}; expected one of {available}"
        )

    def _write(
        self, forest: ServedBundle, space: str, axes: Sequence[str], given: Conditions
    ) -> bytes:
        known, columns = self._columns_of(forest, space, axes, given)
        is_shown = np.isfinite(columns).all(axis=0)
        size = image_size_of(given)
        if size is not None:
            is_shown &= np.array([size == other for other in known.image_sizes], bool)
        complete = np.flatnonzero(is_shown)
        x, y = columns[:, complete]
        gains = [
            column if _axis(forest.bundle, name).better == "higher" else -column
            for name, column in zip(axes, (x, y), strict=True)
        ]
        front = pareto_front(np.column_stack(gains)).tolist()
        rows = _chosen(len(x), front)
        place = {row: position for position, row in enumerate(rows.tolist())}
        shown = complete[rows].tolist()
        space_map = SpaceMap(
            forest=forest.answer_name,
            space=space,
            dataset=forest.bundle.dataset,
            conditions={
                name: value
                for name, value in forest.bundle.resolve(given).items()
                if name != IMAGE_SIZE or size is not None
            },
            total=len(x),
            x=_axis(forest.bundle, axes[0], x),
            y=_axis(forest.bundle, axes[1], y),
            points=MapPoints(
                arch=[known.archs[row] for row in shown],
                x=x[rows].round(DIGITS).tolist(),
                y=y[rows].round(DIGITS).tolist(),
                image_size=_sizes(known, shown),
            ),
            front=[place[row] for row in front],
        )
        return gzip.compress(space_map.model_dump_json().encode(), mtime=0)

    def _columns_of(
        self, forest: ServedBundle, space: str, names: Sequence[str], given: Conditions
    ) -> tuple[_Known, Floats]:
        """Compute the values of axes for the rows of a space, each axis once if nothing is given.

        Each row has its own image size.
        """
        in_service = {forest.digest for forest in self._repository.snapshot}
        self._known = {key: known for key, known in self._known.items() if key[0] in in_service}
        key = (forest.digest, space)
        if key not in self._known:
            self._known[key] = _Known.of(forest.bundle, space)
        known = self._known[key]
        others = {name: value for name, value in given.items() if name != IMAGE_SIZE}
        columns = known.columns
        if others:  # only the costs do not depend on them
            columns = {name: column for name, column in columns.items() if name in COSTS}
        missing = {*names} - {*columns}
        if missing & {*COSTS}:
            costs = _costs(forest.bundle, space, known)
            known.columns.update(costs)
            columns.update(costs)
        if targets := sorted(missing - {*COSTS}):
            conditions = [
                forest.bundle.resolve(others, None if size is None else {IMAGE_SIZE: size})
                for size in known.image_sizes
            ]
            X = forest.bundle.table_matrix(known.ids, conditions)
            predicted = forest.bundle.predict(X, targets=targets)
            columns.update({name: predicted[name].value for name in targets})
        return known, np.array([columns[name] for name in names])


def _checked(
    bundle: Bundle, name_by_parameter: dict[str, str], text: str
) -> tuple[list[str], Conditions]:
    """Convert the names of axes to the forest's spelling, and read conditions."""
    axes: list[str] = []
    errors: list[ProblemItem] = []
    given: Conditions = {}
    try:
        given, problems = read_conditions(bundle.conditions, parse_conditions(text))
        details = [*problems.values()]
    except InputError as error:
        details = [str(error)]
    errors += [ProblemItem(pointer="/query/conditions", detail=detail) for detail in details]
    for parameter, name in name_by_parameter.items():
        try:
            axes.append(name if name in COSTS else bundle.target(name))
        except UnknownTargetError as error:
            detail = f"{error}, or one of {', '.join(COSTS)}"
            errors.append(ProblemItem(pointer=f"/query/{parameter}", detail=detail))
    if errors:
        raise InvalidRequestError(errors)
    return axes, given


def _axis(bundle: Bundle, name: str, values: Floats | None = None) -> Quantity:
    """Describe an axis; the scale of a cost depends on its values."""
    if name not in COSTS:
        return Quantity.named(name, bundle.describe(name))
    is_wide = values is not None and len(values) and values.max() > LOG_RATIO * values.min() > 0
    axis = Quantity.named(name, None)
    return axis.model_copy(update={"scale": "log"}) if is_wide else axis


def _sizes(known: _Known, rows: Sequence[int]) -> list[int] | None:
    """List the image sizes of some rows; None if the bundle does not read them."""
    sizes = [size for row in rows if (size := known.image_sizes[row]) is not None]
    return sizes if len(sizes) == len(rows) else None


def _costs(bundle: Bundle, name: str, known: _Known) -> dict[str, Floats]:
    """Compute the published size of each canonical network; NaN if the table lacks it."""
    space, dataset = SPACES[name], get_dataset(bundle.dataset)
    costs: list[Cost | None] = []
    for id_, arch, size in zip(known.ids, known.archs, known.image_sizes, strict=True):
        if not (space.needs_package or bundle.manifest.ranks):
            costs.append(space.cost(arch, dataset.at(size)))
        else:
            row = bundle.table.row(id_)
            costs.append(None if row is None else row.cost)
    return {
        cost: np.array([getattr(network, cost, math.nan) for network in costs]) for cost in COSTS
    }


def _chosen(n: int, front: Sequence[int]) -> NDArray[np.int64]:
    """Choose the rows to show: the same sample for all axes, and the front."""
    if n <= MOST_POINTS:
        return np.arange(n)
    drawn = np.random.default_rng(0).choice(n, MOST_POINTS, replace=False)
    return np.union1d(drawn, np.array(front))
