"""Selects a configuration by cross-validation, and records every candidate."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from acorn.conditions import PREFIX
from acorn.forests import Ensemble, Intervals
from acorn.forests.manifest import Candidate
from acorn.learning.composition import Composition
from acorn.learning.evaluation_metrics import tau
from acorn.learning.fitting import Configuration
from acorn.learning.training_data import TrainingData

logger = logging.getLogger(__name__)

PerTarget = Float64[NDArray[np.float64], "n targets"]

QUICK_FOLDS, QUICK_TREES = 3, 50
FINAL_FOLDS = 5
GROUP_FOLDS = 8
"""Final folds if no split separates groups: groups differ, so that each fold should hold few."""

MARGIN = 0.002
"""Gain in tau above which a candidate replaces the best one, and proxies are preferred to columns
that cost nothing: about the noise of a difference on 4,000 architectures."""

CHEAPER = 0.0005
"""Loss in tau up to which a cheaper feature set is preferred."""

SMOOTHED_WEIGHTS = (3.0, 6.0)
"""Weights of trees on smoothed labels that are tried besides 1."""

RISING = "size"
"""Feature set of monotone forests: accuracy rises with each feature, also in unseen spaces."""


@dataclass(frozen=True)
class OutOfFoldPredictions:
    """Predictions for each row by forests that were not fitted to it.

    Attributes
    ----------
    value, spread : ndarray of shape (n, targets)
        Mean and standard deviation over trees.
    ensembles : sequence of Ensemble
        The forests that predicted each fold.
    """

    value: PerTarget
    spread: PerTarget
    ensembles: Sequence[Ensemble]

    def kendall_tau(self, data: TrainingData) -> float:
        """Average Kendall's tau over informative targets, and over spaces if folds are spaces.

        Parameters
        ----------
        data : TrainingData
            What was predicted.

        Returns
        -------
        float
            From -1 to 1.
        """
        parts = [slice(None)] if data.spaces is None else _masks(data.spaces)
        pairs = [(data.Y[:, t], self.value[:, t]) for t in data.groups.informative]
        return float(np.mean([tau(y[rows], value[rows]) for rows in parts for y, value in pairs]))

    def intervals(self, data: TrainingData) -> Intervals:
        """Calibrate intervals on these predictions.

        Parameters
        ----------
        data : TrainingData
            What was predicted.

        Returns
        -------
        Intervals
            For forests that are fitted to all rows.
        """
        return Intervals.fit(data.Y - self.value, self.value, self.spread)

    def half_widths(self, data: TrainingData, level: float) -> PerTarget:
        """Half the width of prediction intervals; those of a fold are calibrated on the others.

        Parameters
        ----------
        data : TrainingData
            What was predicted.
        level : float
            Coverage, inside (0, 1).

        Returns
        -------
        ndarray of shape (n, targets)
            Half widths.
        """
        residuals = data.Y - self.value
        half = np.empty_like(residuals)
        all_targets = range(len(data.targets))
        for rows in _masks(final_folds(data)):
            others = ~rows
            fitted = Intervals.fit(residuals[others], self.value[others], self.spread[others])
            half[rows] = fitted.half_width(self.value[rows], self.spread[rows], level, all_targets)
        return half


@dataclass
class ModelSelection:
    """Chooses a configuration in three stages, each starting from the best of the one before.

    Attributes
    ----------
    data : TrainingData
        What forests are fitted to and scored on.
    candidates : list of Candidate
        Every configuration that was tried, with its score.
    """

    data: TrainingData
    candidates: list[Candidate] = field(default_factory=list)

    def run(self, start: Configuration) -> tuple[Configuration, OutOfFoldPredictions]:
        """Choose a feature set, then the trees, then the composition.

        Parameters
        ----------
        start : Configuration
            Start of the selection; its number of trees is kept. If it is a random forest, all
            candidates are random forests on the original labels.

        Returns
        -------
        chosen : Configuration
            The best configuration.
        predictions : OutOfFoldPredictions
            Its predictions in cross-validation.
        """
        quick = start.but(trees=min(QUICK_TREES, start.trees), composition=Composition.JOINT)
        best, best_score = self._features(quick)
        best = self._trees(best, best_score).but(trees=start.trees)
        return self._composition(best, only_plain=start.algorithm == "random_forest")

    def _features(self, start: Configuration) -> tuple[Configuration, float]:
        sets = [start.but(features=name) for name in self.data.columns]
        scores = {candidate: self._score("features", candidate) for candidate in sets}
        most = max(scores.values())
        # Cheaper sets come first: proxies cost passes, so they must improve the score.
        best = next(candidate for candidate, score in scores.items() if score > most - CHEAPER)
        return best, scores[best]

    def _trees(self, best: Configuration, best_score: float) -> Configuration:
        """Try alternatives to fully grown extremely randomised trees, which are packed smallest."""
        challengers = [
            best.but(algorithm="random_forest"),
            best.but(max_features=0.15),
            best.but(max_features=0.6),
            best.but(min_samples_leaf=3),
            best.but(min_samples_leaf=5, max_features=0.6),
        ]
        has_conditions = any(name.startswith(PREFIX) for name in self.data.names)
        if self.data.spaces is not None and RISING in self.data.columns and not has_conditions:
            rising = best.but(features=RISING, monotone=True)
            challengers += [rising, rising.but(min_samples_leaf=5)]
        challengers = [candidate for candidate in challengers if candidate != best]
        scores = {candidate: self._score("trees", candidate) for candidate in challengers}
        challenger = max(scores, key=lambda candidate: scores[candidate])
        return challenger if scores[challenger] > best_score + MARGIN else best

    def _composition(
        self, best: Configuration, *, only_plain: bool
    ) -> tuple[Configuration, OutOfFoldPredictions]:
        predictions = cross_validate_compositions(self.data, best, smoothed=False)
        if not only_plain:
            predictions |= self._smoothed(best)
            if self.data.row_groups is not None:  # only seen to help with few, diverse rows
                predictions |= self._boosted(predictions)
                predictions |= self._reweighed(predictions)
        scores = {
            candidate: predicted.kendall_tau(self.data)
            for candidate, predicted in predictions.items()
        }
        for candidate, score in scores.items():
            self._record("composition", candidate, score)
        chosen = preferred(scores, self._free)
        return chosen, predictions[chosen]

    def _smoothed(self, best: Configuration) -> dict[Configuration, OutOfFoldPredictions]:
        start = best.but(algorithm="extra_trees", min_samples_leaf=1)
        if self.data.row_groups is None:
            starts = [start.but(features=name) for name in self._sets_to_smooth_by(best)]
        else:
            starts = [self._kernel(start)]
        predictions: dict[Configuration, OutOfFoldPredictions] = {}
        for start in starts:
            predictions |= cross_validate_compositions(self.data, start, smoothed=True)
        return predictions

    def _kernel(self, start: Configuration) -> Configuration:
        """Choose a feature set, and between one length scale for all features and one for each."""
        candidates = [
            start.but(composition=Composition.SMOOTH, features=name, isotropic=isotropic)
            for name in self.data.columns
            for isotropic in (False, True)
        ]
        best = max(candidates, key=lambda candidate: self._score("kernel", candidate))
        return best.but(composition=start.composition)

    def _boosted(
        self, predictions: Mapping[Configuration, OutOfFoldPredictions]
    ) -> dict[Configuration, OutOfFoldPredictions]:
        """Add boosted forests to each candidate; they are fitted once for each feature set."""
        data, fold = self.data, final_folds(self.data)
        boosted_by_set = {
            features: [data.fit_boosted(candidate, ~rows) for rows in _masks(fold)]
            for features, candidate in {c.features: c for c in predictions}.items()
        }
        combined = {}
        for candidate, predicted in predictions.items():
            pairs = zip(predicted.ensembles, boosted_by_set[candidate.features], strict=True)
            ensembles = [Ensemble([*averaged.members, *boosted]) for averaged, boosted in pairs]
            combined[candidate.but(boosted=True)] = _predict(data, fold, ensembles)
        return combined

    def _reweighed(
        self, predictions: Mapping[Configuration, OutOfFoldPredictions]
    ) -> dict[Configuration, OutOfFoldPredictions]:
        """Give the trees on smoothed labels of each candidate other weights."""
        data, fold = self.data, final_folds(self.data)
        return {
            candidate.but(smoothed_weight=weight): _predict(
                data,
                fold,
                [
                    candidate.composition.reweighed(ensemble, data.groups, weight)
                    for ensemble in predicted.ensembles
                ],
            )
            for candidate, predicted in predictions.items()
            for weight in SMOOTHED_WEIGHTS
            if candidate.composition is Composition.BLEND
            or (candidate.composition is Composition.SMOOTH and candidate.boosted)
        }

    @property
    def _free(self) -> list[str]:
        """Feature sets that are computed for every architecture of the space without a network."""
        if (population := self.data.population) is None:
            return []
        sets = self.data.columns.items()
        return [name for name, columns in sets if population.free_columns.issuperset(columns)]

    def _sets_to_smooth_by(self, best: Configuration) -> list[str]:
        """Feature sets for smoothing: the best one for trees, and those that cost nothing."""
        if self.data.spaces is not None:  # similarity within a space does not carry over to others
            return []
        return list(dict.fromkeys([best.features, *self._free]))

    def _score(self, stage: str, candidate: Configuration) -> float:
        score = cross_validate(self.data, candidate, QUICK_FOLDS).kendall_tau(self.data)
        self._record(stage, candidate, score)
        return score

    def _record(self, stage: str, candidate: Configuration, score: float) -> None:
        logger.info("%s: mean tau %.4f of %s", stage, score, candidate)
        self.candidates.append(
            Candidate(stage=stage, parameters=candidate.to_dict(), kendall_tau=score)
        )


def preferred(scores: Mapping[Configuration, float], free: Collection[str]) -> Configuration:
    """Choose the best candidate, or an equally good one on a feature set that costs nothing.

    Parameters
    ----------
    scores : mapping of Configuration to float
        Score of each candidate; higher is better.
    free : collection of str
        Feature sets that cost nothing.

    Returns
    -------
    Configuration
        The chosen candidate. Scores that differ by less than MARGIN count as equal.
    """
    most = max(scores.values())
    near = [candidate for candidate in scores if scores[candidate] > most - MARGIN]
    return max(near, key=lambda candidate: (candidate.features in free, scores[candidate]))


def cross_validate(
    data: TrainingData, configuration: Configuration, n_folds: int
) -> OutOfFoldPredictions:
    """Predict every row by forests fitted to the other folds.

    Parameters
    ----------
    data : TrainingData
        Rows to fit to and to predict.
    configuration : Configuration
        Hyper-parameters.
    n_folds : int
        Number of folds, unless folds are spaces.

    Returns
    -------
    OutOfFoldPredictions
        One prediction for each row.
    """
    fold = data.folds(n_folds)
    return _predict(data, fold, [data.fit(configuration, ~rows) for rows in _masks(fold)])


def cross_validate_compositions(
    data: TrainingData, configuration: Configuration, *, smoothed: bool
) -> dict[Configuration, OutOfFoldPredictions]:
    """Cross-validate all compositions with, or without, smoothed labels; fit each forest once.

    Parameters
    ----------
    data : TrainingData
        Rows to fit to and to predict.
    configuration : Configuration
        All but the composition.
    smoothed : bool
        Which compositions, see :meth:`Composition.alternatives`.

    Returns
    -------
    dict
        Predictions of each composition; a composition that has the same forests as another is left
        out.
    """
    compositions = Composition.alternatives(smoothed=smoothed)
    widest = compositions[0].widest
    fold = final_folds(data)
    fitted = [data.fit(configuration.but(composition=widest), ~rows) for rows in _masks(fold)]
    predictions = {}
    for composition in compositions:
        ensembles = [composition.select(ensemble, data.groups) for ensemble in fitted]
        is_whole = len(ensembles[0].members) == len(fitted[0].members)
        if composition is widest or smoothed or not is_whole:
            candidate = configuration.but(composition=composition)
            predictions[candidate] = _predict(data, fold, ensembles)
    return predictions


def final_folds(data: TrainingData) -> Int64[NDArray[np.int64], " n"]:
    """Split rows into the folds that choose the composition and calibrate intervals.

    Parameters
    ----------
    data : TrainingData
        Rows to split.

    Returns
    -------
    ndarray of int64 of shape (n,)
        Fold of each row.
    """
    return data.folds(FINAL_FOLDS if data.row_groups is None else GROUP_FOLDS)


def _masks(fold: Int64[NDArray[np.int64], " n"]) -> list[Bool[NDArray[np.bool_], " n"]]:
    """Rows of each fold."""
    return [fold == number for number in np.unique(fold)]


def _predict(
    data: TrainingData, fold: Int64[NDArray[np.int64], " n"], ensembles: Sequence[Ensemble]
) -> OutOfFoldPredictions:
    value, spread = np.empty((2, *data.Y.shape))
    all_targets = range(len(data.targets))
    for rows, ensemble in zip(_masks(fold), ensembles, strict=True):
        value[rows], spread[rows] = ensemble.distribution(data.X[rows], all_targets)
    return OutOfFoldPredictions(value, spread, ensembles)
