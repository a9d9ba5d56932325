"""Maps of a whole space: two predicted targets or costs of every architecture."""

import asyncio
import gzip
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from acorn.datasets import get_dataset
from acorn.errors import UnknownTargetError
from acorn.forests import Bundle
from acorn.pareto import pareto_front
from acorn.schemas.prediction import ForestName
from acorn.schemas.problems import ProblemItem
from acorn.spaces import SPACES
from acorn.targets import Target
from service.errors import InvalidRequestError, NotFoundError
from service.prediction.rendering import TextCache
from service.repository.model_repository import ModelRepository
from service.repository.served_bundle import ServedBundle

COSTS = ("params", "flops")
MOST_POINTS = 5_000
"""Most points of a map; more cannot be distinguished on a screen and take long to send."""

KEPT_BYTES = 8 * 2**20
DIGITS = 4

Floats = NDArray[np.float64]


class MapAxis(BaseModel):
    """One axis of a map."""

    name: str = Field(description="A target of the forest, params or flops.")
    unit: str = Field(description="Unit of the target, or million.")
    better: Literal["higher", "lower"]


class MapPoints(BaseModel):
    """Canonical architectures and their coordinates, as lists of equal length."""

    arch: list[str] = Field(description="Canonical forms.")
    x: list[float]
    y: list[float]


class SpaceMap(BaseModel):
    """A whole space by two axes."""

    forest: ForestName
    space: str
    dataset: str
    total: int = Field(description="Architectures whose features the bundle has.")
    x: MapAxis
    y: MapAxis
    points: MapPoints = Field(
        description=f"All architectures; of more than {MOST_POINTS}, a random sample of that size "
        "and the whole front."
    )
    front: list[int] = Field(
        description="Positions of the points that no other beats on both axes; best x first."
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
        self._columns: dict[str, dict[str, Floats]] = {}
        self._texts = TextCache(KEPT_BYTES)
        self._working = asyncio.Lock()

    async def get(self, space: str, *, dataset: str, x: str, y: str) -> bytes:
        """Write the map of a space: a :class:`SpaceMap` as JSON, compressed with gzip.

        Parameters
        ----------
        space, dataset : str
            Choose the forest, which must be the space's own.
        x, y : str
            A target of the forest, in any spelling, or one of :data:`COSTS`.

        Returns
        -------
        bytes

        Raises
        ------
        NotFoundError
            If the space has no forest of its own for the dataset.
        InvalidRequestError
            If there is no such axis.
        """
        forest = self._find(space, dataset)
        axes = _axes(forest.bundle, {"x": x, "y": y})
        key = (forest.digest, *axes)
        text = self._texts.get(key)
        if text is None:
            async with self._working:  # one map at a time
                text = self._texts.get(key)
                if text is None:
                    text = await asyncio.to_thread(self._write, forest, axes)
                    self._texts.put(key, text)
        return text

    def _find(self, space: str, dataset: str) -> ServedBundle:
        own = [
            each
            for each in self._repository.snapshot.newest.values()
            if each.bundle.space in SPACES
        ]
        for forest in own:
            if (forest.bundle.space, forest.bundle.dataset) == (space, dataset):
                return forest
        offer = ", ".join(f"{each.bundle.space} on {each.bundle.dataset}" for each in own)
        raise NotFoundError(
            f"no forest of its own for {space!r:.100} on {dataset!r:.100}; "
            f"expected one of {offer or '(there is none)'}"
        )

    def _write(self, forest: ServedBundle, axes: Sequence[str]) -> bytes:
        x, y = columns = self._columns_of(forest, axes)
        gains = [_gain(*each) for each in zip(axes, columns, strict=True)]
        front = pareto_front(np.column_stack(gains)).tolist()
        rows = _chosen(len(x), front)
        place = {row: position for position, row in enumerate(rows.tolist())}
        space_map = SpaceMap(
            forest=ForestName(name=forest.name, version=forest.bundle.version),
            space=forest.bundle.space,
            dataset=forest.bundle.dataset,
            total=len(x),
            x=_axis(axes[0]),
            y=_axis(axes[1]),
            points=MapPoints(
                arch=forest.bundle.table.frame["arch"][rows].to_list(),
                x=x[rows].round(DIGITS).tolist(),
                y=y[rows].round(DIGITS).tolist(),
            ),
            front=[place[row] for row in front],
        )
        return gzip.compress(space_map.model_dump_json().encode(), mtime=0)

    def _columns_of(self, forest: ServedBundle, names: Sequence[str]) -> list[Floats]:
        """Compute the values of axes for all rows of a forest's table, each once."""
        in_service = {each.digest for each in self._repository.snapshot}
        self._columns = {key: known for key, known in self._columns.items() if key in in_service}
        known = self._columns.setdefault(forest.digest, {})
        missing = {name for name in names if name not in known}
        if missing & {*COSTS}:
            known |= _costs(forest.bundle)
        if targets := sorted(missing - {*COSTS}):
            X = forest.bundle.table.matrix(forest.bundle.feature_names)
            predicted = forest.bundle.predict(X, targets=targets)
            known |= {target: each.value for target, each in predicted.items()}
        return [known[name] for name in names]


def _axes(bundle: Bundle, wanted: dict[str, str]) -> list[str]:
    """Convert the names of axes to the forest's spelling."""
    axes, errors = [], []
    for parameter, name in wanted.items():
        try:
            axes.append(name if name in COSTS else bundle.target(name))
        except UnknownTargetError as error:
            detail = f"{error}, or one of {', '.join(COSTS)}"
            errors.append(ProblemItem(pointer=f"/query/{parameter}", detail=detail))
    if errors:
        raise InvalidRequestError(errors)
    return axes


def _axis(name: str) -> MapAxis:
    if name in COSTS:
        return MapAxis(name=name, unit="million", better="lower")
    target = Target.of(name)
    return MapAxis(
        name=name, unit=target.unit, better="higher" if target.higher_is_better else "lower"
    )


def _costs(bundle: Bundle) -> dict[str, Floats]:
    """Compute the published size of each canonical network."""
    space, dataset = SPACES[bundle.space], get_dataset(bundle.dataset)
    costs = [space.cost(arch, dataset) for arch in bundle.table.frame["arch"]]
    return {name: np.array([getattr(cost, name) for cost in costs]) for name in COSTS}


def _gain(name: str, column: Floats) -> Floats:
    return column if _axis(name).better == "higher" else -column


def _chosen(n: int, front: Sequence[int]) -> NDArray[np.int64]:
    """Choose the rows to show: the same sample for all axes, and the front."""
    if n <= MOST_POINTS:
        return np.arange(n)
    drawn = np.random.default_rng(0).choice(n, MOST_POINTS, replace=False)
    return np.union1d(drawn, np.array(front))
