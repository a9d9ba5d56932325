"""What a released bundle is scored by: predictions for functions that its forests did not see."""

from pathlib import Path

from acorn.forests import Bundle
from acorn.learning.fitting import Configuration
from acorn.learning.model_selection import FINAL_FOLDS, OutOfFold, Problem, cross_validate
from acorn.learning.train import make_problem
from benchmarks.release import RELEASED, Release


def configuration_of(bundle: Bundle) -> Configuration:
    """How a bundle's forests were grown."""
    return Configuration(**{k: v for k, v in bundle.manifest.parameters.items() if k != "seed"})


def problem_of(release: Release, shared: Path) -> tuple[Problem, Configuration]:
    """What a bundle was trained on, with the columns that its forests read, and how."""
    bundle = Bundle.load(RELEASED / release.name)
    configuration = configuration_of(bundle)
    labels = release.read_labels(shared)
    problem = make_problem(labels, bundle.table, bundle.targets, configuration.features)
    return problem, configuration


def crossed(release: Release, shared: Path) -> tuple[Problem, OutOfFold]:
    """Cross-validate forests of the bundle's own configuration, by function."""
    problem, configuration = problem_of(release, shared)
    return problem, cross_validate(problem, configuration, FINAL_FOLDS)
