"""What a released bundle is scored by: predictions for functions that its forests did not see."""

from pathlib import Path

from acorn.forests import Bundle
from acorn.learning.fitting import Configuration
from acorn.learning.model_selection import FINAL_FOLDS, OutOfFoldPredictions, cross_validate
from acorn.learning.training_data import TrainingData
from benchmarks.release import RELEASED, Release


def configuration_of(bundle: Bundle) -> Configuration:
    """How a bundle's forests were grown."""
    return Configuration(**{k: v for k, v in bundle.manifest.parameters.items() if k != "seed"})


def training_data_of(release: Release, shared: Path) -> tuple[TrainingData, Configuration]:
    """What a bundle was trained on, with the columns that its forests read, and how."""
    bundle = Bundle.load(RELEASED / release.name)
    configuration = configuration_of(bundle)
    labels = release.read_labels(shared)
    data = TrainingData.of(labels, bundle.table, bundle.targets, configuration.features)
    return data, configuration


def crossed(release: Release, shared: Path) -> tuple[TrainingData, OutOfFoldPredictions]:
    """Cross-validate forests of the bundle's own configuration, by function."""
    data, configuration = training_data_of(release, shared)
    return data, cross_validate(data, configuration, FINAL_FOLDS)
