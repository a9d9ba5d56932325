"""Fitness of a program: a soft minimum of its rank correlations over tasks and draws.

EZNAS (Akhauri et al., NeurIPS 2022) takes the smallest correlation, so that no task is sacrificed
for another; a soft minimum also tells programs apart that share their worst task. As in
GreenMachine, networks are also drawn evenly from strata of accuracy, since networks that are drawn
at random hardly differ in accuracy. In addition networks of about the same size are ranked: size
is what proxies tell most easily, and in some spaces it says nothing of accuracy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from acorn.learning.evaluation_metrics import tau
from acorn.proxies._programs.layer_table import LayerTable
from acorn.proxies._programs.program import WEIGHTS, Program, Tree
from training.groups import turns

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

STRATA = 5
"""Equal parts of the range of labels, from which as many networks are drawn."""

SIZE_GROUPS = 4
"""Groups of equally many networks by size."""

SHARPNESS = 10.0
"""A program gains as much by .1 of its worst tau as by e times that of one .1 better."""

WITHIN = "within groups"
KINDS = ("random", "stratified", "same size", WITHIN)
"""How the networks of a draw are alike."""

PAIRWISE = 250
"""Networks up to which comparing all pairs is faster than sorting."""

CACHED = 400
"""Results of subtrees that are kept, over all networks."""


@dataclass(frozen=True, eq=False)
class Task:
    """Labelled networks of one space.

    Attributes
    ----------
    name : str
        Such as ``nats_tss/cifar10/clean``.
    networks : LayerTable
        Statistics of the layers.
    labels : numpy.ndarray
        Shape (networks,); NaN is missing.
    groups : numpy.ndarray, optional
        Group of each network, shape (networks,): networks are then ranked within groups alone.
    """

    name: str
    networks: LayerTable
    labels: Floats
    groups: Rows | None = None


class Draw:
    """Networks that are ranked together.

    Parameters
    ----------
    rows : numpy.ndarray
        Rows of the networks, shape (n,).
    labels : numpy.ndarray
        Their labels, shape (n,).
    """

    def __init__(self, rows: Rows, labels: Floats) -> None:
        self.rows = rows
        self._labels = labels
        self._signs = _signs(labels) if len(rows) <= PAIRWISE else None

    def tau(self, values: Floats) -> float:
        """Rank the networks.

        Parameters
        ----------
        values : numpy.ndarray
            Values of all networks.

        Returns
        -------
        float
            Kendall's tau-b; 0 if the networks of the draw have equal values.
        """
        drawn = values[self.rows]
        if np.ptp(drawn) == 0:
            return 0.0
        if self._signs is None:
            return tau(self._labels, drawn)
        signs = _signs(drawn)
        pairs = np.vdot(signs, signs) * np.vdot(self._signs, self._signs)
        return float(np.vdot(signs, self._signs) / math.sqrt(pairs))


@dataclass(frozen=True, eq=False)
class Fitness:
    """Kendall's tau of programs on fixed draws of networks.

    Attributes
    ----------
    networks : LayerTable
        Networks of all tasks.
    draws : dict of (str, str) to list of Draw
        Draws by task and one of :data:`KINDS`.
    """

    networks: LayerTable
    draws: dict[tuple[str, str], list[Draw]]

    def __post_init__(self) -> None:
        cache: LRUCache[Tree, Floats] = LRUCache(CACHED)
        object.__setattr__(self, "_cache", cache)

    @classmethod
    def of(cls, tasks: Sequence[Task], *, repeats: int = 3, seed: int = 0) -> Self:
        """Draw networks of each task.

        Parameters
        ----------
        tasks : sequence of Task
            Tasks with at least two labels each.
        repeats : int, default=3
            Number of stratified draws of a task; each has half of its networks.
        seed : int, default=0
            Seeds the draws.

        Returns
        -------
        Fitness
        """
        rng = np.random.default_rng(seed)
        draws: dict[tuple[str, str], list[Draw]] = {}
        offset = 0
        for task in tasks:
            known = np.flatnonzero(np.isfinite(task.labels))
            labels = task.labels[known]
            if task.groups is not None:
                groups = task.groups[known]
                kinds = {WITHIN: [np.flatnonzero(groups == group) for group in np.unique(groups)]}
            else:
                sizes = Program(WEIGHTS)(task.networks)[known]
                half = max(2, len(known) // 2)
                kinds = {
                    "random": [np.arange(len(known))],
                    "stratified": [stratified(labels, half, rng) for _ in range(repeats)],
                    "same size": np.array_split(np.argsort(sizes, kind="stable"), SIZE_GROUPS),
                }
            for kind, parts in kinds.items():
                draws[task.name, kind] = [
                    Draw(known[part] + offset, labels[part])
                    for part in parts
                    if len(part) > 1 and np.ptp(labels[part]) > 0
                ]
            offset += len(task.labels)
        return cls(LayerTable.joined([task.networks for task in tasks]), draws)

    def taus(self, program: Program) -> dict[tuple[str, str], float]:
        """Rank the networks of each draw.

        Parameters
        ----------
        program : Program
            The program.

        Returns
        -------
        dict of (str, str) to float
            Mean tau of the draws by task and kind; a program that gives all networks of a draw
            the same value has tau 0 there.
        """
        # Rounding would otherwise rank networks that a program means to be equal.
        single = program(self.networks, self._cache).astype(np.float32)  # type: ignore[attr-defined]
        values = np.nan_to_num(single).astype(np.float64)
        return {
            key: float(np.mean([draw.tau(values) for draw in parts]))
            for key, parts in self.draws.items()
            if parts
        }

    def __call__(self, program: Program) -> float:
        """Soft minimum of the taus, from -1 to 1."""
        taus = np.array([*self.taus(program).values()])
        return float(-np.log(np.mean(np.exp(-SHARPNESS * taus))) / SHARPNESS)


def _signs(x: Floats) -> NDArray[np.float32]:
    """Sign of the difference of each pair, shape (n, n)."""
    return np.sign(np.subtract.outer(x, x)).astype(np.float32)


def stratified(labels: Floats, n: int, rng: np.random.Generator) -> Rows:
    """Draw rows evenly from :data:`STRATA` equal parts of the range of labels.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (rows,).
    n : int
        Most rows to draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Rows.
    """
    edges = np.linspace(labels.min(), labels.max(), STRATA + 1)[1:-1]
    stratum = np.digitize(labels, edges)
    shuffled = rng.permutation(len(labels))
    order = np.lexsort((stratum[shuffled], turns(stratum[shuffled])))
    return shuffled[order][:n]
