"""Out-of-fold predictions of released bundles."""

from pathlib import Path

from acorn.forests import Bundle
from acorn.learning.fitting import Configuration
from acorn.learning.model_selection import FINAL_FOLDS, OutOfFoldPredictions, cross_validate
from acorn.learning.training_data import TrainingData
from benchmarks.release import RELEASED, Release


def configuration_of(bundle: Bundle, scale: str | None = None) -> Configuration:
    """Return the configuration of a bundle's forests, or of those of one scale of several."""
    parameters = {k: v for k, v in bundle.manifest.parameters.items() if k != "seed"}
    if scale is not None:
        prefix = f"{scale}."
        parameters = {
            k.removeprefix(prefix): v for k, v in parameters.items() if k.startswith(prefix)
        }
    return Configuration(**parameters)


def training_data_of(release: Release, shared: Path) -> tuple[TrainingData, Configuration]:
    """Return a bundle's training data with its forests' columns, and the configuration."""
    bundle = Bundle.load(RELEASED / release.name)
    configuration = configuration_of(bundle)
    labels = release.read_labels(shared)
    data = TrainingData.of(labels, bundle.table, bundle.targets, configuration.features)
    return data, configuration


def crossed(release: Release, shared: Path) -> tuple[TrainingData, OutOfFoldPredictions]:
    """Cross-validate forests with the bundle's configuration by equivalence class."""
    data, configuration = training_data_of(release, shared)
    return data, cross_validate(data, configuration, FINAL_FOLDS)
