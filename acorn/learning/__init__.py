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
    from acorn.learning.train import train_bundle, train_ranks
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
    "train_ranks",
]

__getattr__ = lazy_names(
    __name__,
    {
        "acorn.learning.composition": ("Composition",),
        "acorn.learning.evaluation_metrics": ("Scores", "score", "tau"),
        "acorn.learning.fitting": ("Configuration",),
        "acorn.learning.labels": ("Labels",),
        "acorn.learning.model_selection": ("ModelSelection", "OutOfFoldPredictions"),
        "acorn.learning.splits": ("folds", "held_out"),
        "acorn.learning.train": ("train_bundle", "train_ranks"),
        "acorn.learning.training_data": ("TrainingData",),
    },
)
