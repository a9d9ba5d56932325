"""Fits forests to what few labels tell about a population, so that they can be served.

The forests reproduce the estimate of every member of the population, and predict others from the
members that are most alike. Intervals are those of the estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from acorn.forests import Ensemble, Intervals
from acorn.learning.composition import Composition
from acorn.learning.few_labels.blend import Estimate, Inputs, estimate
from acorn.learning.fitting import Configuration, fit_smoothed_forest
from acorn.learning.model_selection import OutOfFoldPredictions, final_folds
from acorn.learning.population import Population
from acorn.learning.smoothing import SmoothedLabels
from acorn.learning.training_data import TrainingData
from acorn.targets import PERCENT, Target

Mask = Bool[NDArray[np.bool_], " n"]
PerTarget = Float64[NDArray[np.float64], "n targets"]

FOLD_TREES = 16
"""Trees of each forest in cross-validation, whose rows are members of the population: their
predictions are those of the estimate with any number of trees."""


@dataclass(frozen=True)
class FewLabelPredictions(OutOfFoldPredictions):
    """Predictions for each row from the labels of the other folds.

    Attributes
    ----------
    estimates : sequence of Estimate
        What the labels of the others told, for each fold.
    whole : Estimate
        What all labels tell.
    """

    estimates: Sequence[Estimate]
    whole: Estimate

    def intervals(self, data: TrainingData) -> Intervals:  # noqa: ARG002
        """Intervals of the estimate from all labels."""
        return Intervals.of_student(self.whole.correction, self.whole.freedom)

    def half_widths(self, data: TrainingData, level: float) -> PerTarget:
        """Half the width of prediction intervals; those of a fold know nothing of its labels."""
        fold = final_folds(data)
        half = np.empty_like(self.value)
        for number, known in zip(np.unique(fold), self.estimates, strict=True):
            rows = fold == number
            intervals = Intervals.of_student(known.correction, known.freedom)
            value, spread = self.value[rows], self.spread[rows]
            half[rows] = intervals.half_width(value, spread, level, range(len(data.targets)))
        return half


def fit_few_labels(
    data: TrainingData, start: Configuration
) -> tuple[Configuration, FewLabelPredictions, Ensemble]:
    """Fit forests to few labels.

    Parameters
    ----------
    data : TrainingData
        The labelled rows, and their population.
    start : Configuration
        Gives the number of trees.

    Returns
    -------
    configuration : Configuration
        Hyper-parameters of the forests.
    predictions : FewLabelPredictions
        Predictions in cross-validation.
    ensemble : Ensemble
        The forests, fitted to all labels.
    """
    widest = max(data.columns, key=lambda name: len(data.columns[name]))
    chosen = start.but(features=widest, composition=Composition.SMOOTH)
    population = _population(data)
    columns = list(data.columns[widest])
    inputs = Inputs.of(population.X[:, columns], [data.names[column] for column in columns])
    fitted = _Fit(data, population, inputs, columns)
    whole, ensemble = fitted.to(np.ones(len(data.ids), bool), chosen)
    fold = final_folds(data)
    value, spread = np.empty((2, *data.Y.shape))
    estimates, ensembles = [], []
    for number in np.unique(fold):
        rows = fold == number
        known, forests = fitted.to(~rows, chosen.but(trees=min(FOLD_TREES, chosen.trees)))
        all_targets = range(len(data.targets))
        value[rows], spread[rows] = forests.distribution(data.X[rows], all_targets)
        estimates.append(known)
        ensembles.append(forests)
    return chosen, FewLabelPredictions(value, spread, ensembles, estimates, whole), ensemble


@dataclass(frozen=True)
class _Fit:
    """Fits to some of the labelled rows."""

    data: TrainingData
    population: Population
    inputs: Inputs
    columns: list[int]

    def to(self, rows: Mask, configuration: Configuration) -> tuple[Estimate, Ensemble]:
        """Estimate, and the forests that reproduce it."""
        data = self.data
        known = estimate(
            self.inputs,
            self.population.place[rows],
            data.Y[rows],
            rising=[Target.of(name).unit == PERCENT for name in data.targets],
            seed=data.seed,
            n_jobs=data.n_jobs,
        )
        forest = fit_smoothed_forest(
            self.population.X,
            SmoothedLabels(known.value, known.deviation),
            tuple(range(len(data.targets))),
            self.columns,
            configuration,
            seed=data.seed,
            n_jobs=data.n_jobs,
        )
        return known, Ensemble([forest])


def _population(data: TrainingData) -> Population:
    """Population of the data; the labelled rows themselves if there is none."""
    if data.population is not None:
        return data.population
    n = len(data.X)
    return Population(data.X, np.arange(n), np.ones(n, bool), frozenset())
