"""Choosing a configuration by cross-validation over functions, and keeping what lost."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from acorn.forests import Ensemble, Member
from acorn.forests.manifest import Candidate
from acorn.learning.fitting import Configuration, Groups, grow, grow_smooth, narrowed
from acorn.learning.metrics import tau
from acorn.learning.pools import Pool
from acorn.learning.smoothing import expect, most_common
from acorn.learning.splits import folds

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

SEARCH_FOLDS, SEARCH_TREES = 3, 50
MARGIN = 0.002
"""Gain in tau that a challenger needs, and proxies against columns that are free: about the noise
of a difference on some 4,000 functions."""

CHEAPER = 0.0005
"""Loss in tau at which a cheaper set of features is preferred: proxies must gain something."""

FINAL_FOLDS = 5

MOSTLY_ONE_VALUE = 0.9
"""Share of equal labels from which on a target is left to plain trees and decides no choice: its
ranks are about ties."""

PLAIN, SMOOTH = ("both", "joint", "kind"), ("smooth", "blend")
"""Compositions of forests on the labels as they are, and of those with smooth ones."""

RISING = "size"
"""The feature set with which accuracy rises, in spaces that no forest has seen, too."""


@dataclass(frozen=True)
class Problem:
    """Features and labels of functions, one row each.

    Attributes
    ----------
    ids
        The functions.
    X
        Features, shape (functions, features).
    targets
        Names.
    Y
        Labels in percent, shape (functions, targets), NaN where there is none.
    columns
        Numbers of the features of each feature set.
    seed, n_jobs
        Of splits and forests.
    spaces
        Number of the space of each function, where what counts is how forests do on a space that
        they never saw: each fold is a space then.
    companions
        Labels on other datasets, shape (functions, any), NaN where there is none.
    pool
        All functions of the space, where they can be listed.
    """

    ids: Sequence[str]
    X: NDArray[np.float32]
    targets: Sequence[str]
    Y: Floats
    columns: Mapping[str, Sequence[int]]
    seed: int
    n_jobs: int
    spaces: NDArray[np.int64] | None = None
    companions: Floats | None = None
    pool: Pool | None = None

    @cached_property
    def telling(self) -> list[int]:
        """Numbers of the targets whose labels mostly differ; all, where there is no such target."""
        shares = [most_common(column[np.isfinite(column)]) for column in self.Y.T]
        found = [t for t, share in enumerate(shares) if share < MOSTLY_ONE_VALUE]
        return found or [*range(len(shares))]

    @cached_property
    def dull(self) -> set[int]:
        """Numbers of the other targets."""
        return set(range(len(self.targets))) - set(self.telling)

    def groups(self, composition: str) -> list[tuple[int, ...]]:
        """Targets of each forest of a composition."""
        return Groups.of(self.targets, self.Y).of_composition(composition)

    def grow(self, configuration: Configuration, rows: NDArray[np.bool_]) -> Ensemble:
        """Grow forests on some of the functions."""
        composition = configuration.composition
        groups = self.groups(composition)
        if composition == "smooth":  # plain trees are for what cannot be smoothed
            groups = [group for group in groups if self.dull.intersection(group)]
        plain = grow(
            self.X[rows],
            self.Y[rows],
            groups,
            self.columns[configuration.features],
            configuration,
            seed=self.seed,
            n_jobs=self.n_jobs,
        )
        if composition not in SMOOTH:
            return plain
        members = narrowed(plain.members, self.dull) if composition == "smooth" else plain.members
        return Ensemble([*members, *self._grow_smooth(configuration, rows)])

    def _grow_smooth(
        self, configuration: Configuration, rows: NDArray[np.bool_]
    ) -> Iterator[Member]:
        """Grow forests on smooth labels, one for all telling targets that are labelled together."""
        columns = self.columns[configuration.features]
        for group in self.groups("joint"):
            targets = tuple(t for t in group if t in self.telling)
            if not targets:
                continue
            labelled = rows & np.isfinite(self.Y[:, targets[0]])
            if self.pool is not None and self.pool.covers(columns):
                X, place = self.pool.X, self.pool.place[labelled]
            else:
                X, place = self.X[labelled], np.arange(np.count_nonzero(labelled))
            Y = self.Y[labelled][:, targets]
            made = expect(X[:, columns], place, Y, self.beside(labelled), seed=self.seed).smooth()
            yield grow_smooth(
                X, made, targets, columns, configuration, seed=self.seed, n_jobs=self.n_jobs
            )

    def unblended(self, blend: Ensemble) -> Ensemble:
        """Forests on smooth labels alone, with plain trees for what cannot be smoothed."""
        groups = len(self.groups("joint"))
        return Ensemble([*narrowed(blend.members[:groups], self.dull), *blend.members[groups:]])

    def beside(self, labelled: NDArray[np.bool_]) -> Floats:
        """Labels on other datasets that all these functions have."""
        if self.companions is None:
            return np.empty((np.count_nonzero(labelled), 0))
        found = self.companions[labelled]
        return found[:, np.isfinite(found).all(axis=0)]

    def folds(self, n_folds: int) -> NDArray[np.int64]:
        """Number of the fold of each function: a space, or one of ``n_folds`` random ones."""
        if self.spaces is not None:
            return self.spaces
        return folds(self.ids, n_folds=n_folds, seed=self.seed)


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for each function by forests that did not see it.

    Attributes
    ----------
    value, spread
        Mean and standard deviation over trees, shape (functions, targets).
    ensembles
        What predicted each fold.
    """

    value: Floats
    spread: Floats
    ensembles: Sequence[Ensemble]

    def kendall_tau(self, problem: Problem) -> float:
        """Mean over telling targets, and over spaces where folds are spaces."""
        groups = [slice(None)] if problem.spaces is None else _members(problem.spaces)
        pairs = [(problem.Y[:, t], self.value[:, t]) for t in problem.telling]
        return float(np.mean([tau(y[rows], value[rows]) for rows in groups for y, value in pairs]))


def _members(fold: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    return [fold == f for f in np.unique(fold)]


@dataclass
class Search:
    """Finds a configuration in three stages, each starting from the best of the one before."""

    problem: Problem
    candidates: list[Candidate] = field(default_factory=list)

    def run(self, start: Configuration) -> tuple[Configuration, OutOfFold]:
        """Search; the second result is of the configuration that was chosen."""
        quick = start.but(trees=min(SEARCH_TREES, start.trees), composition="joint")
        best, tau_ = self._features(quick)
        best = self._trees(best, tau_)
        return self._composition(best.but(trees=start.trees))

    def _features(self, start: Configuration) -> tuple[Configuration, float]:
        stage = "features"
        sets = [start.but(features=name) for name, columns in self.problem.columns.items()]
        scores = {each: self._score(stage, each) for each in sets}
        most = max(scores.values())
        # Sets come with the cheaper ones first: proxies cost passes, so they must gain something.
        best = next(each for each, score in scores.items() if score > most - CHEAPER)
        return best, scores[best]

    def _trees(self, best: Configuration, best_score: float) -> Configuration:
        """Let other trees challenge the best; fully grown extremely random ones pack smallest."""
        challengers = [
            best.but(algorithm="random_forest"),
            best.but(max_features=0.15),
            best.but(max_features=0.6),
            best.but(min_samples_leaf=3),
            best.but(min_samples_leaf=5, max_features=0.6),
        ]
        if self.problem.spaces is not None and RISING in self.problem.columns:
            rising = best.but(features=RISING, monotone=True)
            challengers += [rising, rising.but(min_samples_leaf=5)]
        scores = {each: self._score("trees", each) for each in challengers}
        challenger = max(scores, key=lambda configuration: scores[configuration])
        return challenger if scores[challenger] > best_score + MARGIN else best

    def _composition(self, best: Configuration) -> tuple[Configuration, OutOfFold]:
        """Compare the compositions, those of plain trees all from the same forests."""
        found = {
            best.but(composition=name): predicted
            for name, predicted in compositions(self.problem, best, PLAIN).items()
        }
        for features in self._smoothed_sets(best):
            start = best.but(features=features, algorithm="extra_trees", min_samples_leaf=1)
            found |= {
                start.but(composition=name): predicted
                for name, predicted in compositions(self.problem, start, SMOOTH).items()
            }
        scores = {each: predicted.kendall_tau(self.problem) for each, predicted in found.items()}
        for each, score in scores.items():
            self._record("composition", each, score)
        chosen = preferred(scores, self._free)
        return chosen, found[chosen]

    @property
    def _free(self) -> list[str]:
        """Feature sets that every function of the space has, without a pass."""
        pool = self.problem.pool
        if pool is None:
            return []
        sets = self.problem.columns.items()
        return [name for name, columns in sets if pool.own.issuperset(columns)]

    def _smoothed_sets(self, best: Configuration) -> list[str]:
        """Feature sets to smooth labels by: the one that trees like best, and what is free."""
        if self.problem.spaces is not None:  # what is alike within a space does not carry over
            return []
        return list(dict.fromkeys([best.features, *self._free]))

    def _score(self, stage: str, configuration: Configuration) -> float:
        predicted = cross_validate(self.problem, configuration, SEARCH_FOLDS)
        score = predicted.kendall_tau(self.problem)
        self._record(stage, configuration, score)
        return score

    def _record(self, stage: str, configuration: Configuration, score: float) -> None:
        logger.info("%s: mean tau %.4f of %s", stage, score, configuration)
        self.candidates.append(
            Candidate(stage=stage, parameters=configuration.to_dict(), kendall_tau=score)
        )


def preferred(scores: Mapping[Configuration, float], free: Collection[str]) -> Configuration:
    """Find the best, or one that reads a free feature set and is as good but for noise."""
    most = max(scores.values())
    near = [each for each in scores if scores[each] > most - MARGIN]
    return max(near, key=lambda each: (each.features in free, scores[each]))


def cross_validate(problem: Problem, configuration: Configuration, n_folds: int) -> OutOfFold:
    """Predict every function by forests grown on the other folds."""
    fold = problem.folds(n_folds)
    ensembles = [problem.grow(configuration, ~own) for own in _members(fold)]
    return _predict(problem, fold, ensembles)


def compositions(
    problem: Problem, configuration: Configuration, names: Sequence[str]
) -> dict[str, OutOfFold]:
    """Cross-validate compositions of :data:`PLAIN`, or of :data:`SMOOTH`; forests grow once."""
    fold = problem.folds(FINAL_FOLDS)
    widest = configuration.but(composition="blend" if names == SMOOTH else "both")
    grown = [problem.grow(widest, ~own) for own in _members(fold)]
    found = {}
    for name in names:
        chosen = [_of(name, problem, ensemble) for ensemble in grown]
        repeats = name in PLAIN[1:] and len(chosen[0].members) == len(grown[0].members)
        if not repeats:
            found[name] = _predict(problem, fold, chosen)
    return found


def _of(name: str, problem: Problem, widest: Ensemble) -> Ensemble:
    """A composition, from the widest of its like."""
    if name in SMOOTH:
        return widest if name == "blend" else problem.unblended(widest)
    groups = problem.groups(name)
    return Ensemble([member for member in widest.members if tuple(member.targets) in groups])


def _predict(problem: Problem, fold: NDArray[np.int64], ensembles: Sequence[Ensemble]) -> OutOfFold:
    value, spread = np.empty((2, *problem.Y.shape))
    every = range(len(problem.targets))
    for own, ensemble in zip(_members(fold), ensembles, strict=True):
        value[own], spread[own] = ensemble.distribution(problem.X[own], every)
    return OutOfFold(value, spread, ensembles)
