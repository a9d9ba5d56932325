"""Training of bundles: splits, model selection, fitting, importances and scores.

Importing this package imports neither torch nor scikit-learn; each name below imports what it needs
at its first use.
"""

from typing import TYPE_CHECKING

from acorn import lazy_names

if TYPE_CHECKING:
    from acorn.learning.composition import Composition
    from acorn.learning.evaluation_metrics import Scores, score, tau
    from acorn.learning.fitting import Configuration
    from acorn.learning.labels import Labels
    from acorn.learning.model_selection import ModelSelection, OutOfFoldPredictions
    from acorn.learning.splits import folds, held_out
    from acorn.learning.train import train_bundle
    from acorn.learning.training_data import TrainingData

__all__ = [
    "Composition",
    "Configuration",
    "Labels",
    "ModelSelection",
    "OutOfFoldPredictions",
    "Scores",
    "TrainingData",
    "folds",
    "held_out",
    "score",
    "tau",
    "train_bundle",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Composition": "acorn.learning.composition",
        "Configuration": "acorn.learning.fitting",
        "Labels": "acorn.learning.labels",
        "ModelSelection": "acorn.learning.model_selection",
        "OutOfFoldPredictions": "acorn.learning.model_selection",
        "Scores": "acorn.learning.evaluation_metrics",
        "TrainingData": "acorn.learning.training_data",
        "folds": "acorn.learning.splits",
        "held_out": "acorn.learning.splits",
        "score": "acorn.learning.evaluation_metrics",
        "tau": "acorn.learning.evaluation_metrics",
        "train_bundle": "acorn.learning.train",
    },
)
