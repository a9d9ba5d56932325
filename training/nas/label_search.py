"""Searching and labelling in turn: the next architecture to label is the one expected to gain most.

References
----------
Knowles, ParEGO: a hybrid algorithm with on-line landscape approximation for expensive
multiobjective optimization problems, 2006 (several objectives by random weights).
"""

import math
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import NDArray

from acorn.errors import AcornError, InputError
from acorn.features.feature_table import FeatureTable
from acorn.learning.few_labels import prior_ranks
from acorn.learning.smoothing.scores import normal_quantiles
from acorn.nas.objectives import Objectives
from acorn.pareto import pareto_front
from acorn.strict_json import JSONError, parse_json
from acorn.targets import PERCENT, Target
from training.features.parallel import OnProgress, no_progress
from training.nas.surrogate import Surrogate

Floats = NDArray[np.float64]
Values = dict[str, float]
Measure = Callable[[str], Mapping[str, float]]
"""Measures an architecture: its canonical form to the value of each objective."""

FIRST = 4
"""Labels before the first model."""

BEST_SHARE = 0.03
"""Share of the population that counts as good by the prior.

Half of the first labels are of these, and half of any members, which show whether the prior holds.
"""

_WEIGHT_OF_SUM = 0.05  # of the weighted sum of the objectives, beside their weighted minimum


class MeasurementError(AcornError):
    """An architecture that could not be labelled."""


def run_command(command: str, objectives: Sequence[str]) -> Measure:
    """Make a function that labels an architecture by running a program.

    Parameters
    ----------
    command : str
        Program and arguments, divided as a shell would, but run without one. ``{arch}`` in an
        argument is replaced by the canonical form.
    objectives : sequence of str
        Targets. The last line on standard output is a JSON object with their values, or a number
        if there is one.

    Returns
    -------
    callable
        Raises :class:`MeasurementError` if the program fails or prints something else.

    Raises
    ------
    InputError
        If the command is empty or has no ``{arch}``, or for an unknown target.
    """
    for name in objectives:
        Target.of(name)
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"got --command {command!r}: {error}; expected a command line") from None
    if not any("{arch}" in word for word in words):
        raise InputError(f"got --command {command!r}; expected {{arch}} in one of its arguments")

    def measure(arch: str) -> Values:
        filled = [word.replace("{arch}", arch) for word in words]
        try:
            done = subprocess.run(filled, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
        except OSError as error:
            raise MeasurementError(f"cannot run {filled[0]}: {error.strerror}") from None
        if done.returncode:
            raise MeasurementError(f"the command ended with {done.returncode}")
        lines = done.stdout.strip().splitlines()
        return read_values(lines[-1] if lines else "", objectives)

    return measure


def read_values(line: str, objectives: Sequence[str]) -> Values:
    """Read the values of the objectives.

    Parameters
    ----------
    line : str
        A number, or a JSON object.
    objectives : sequence of str
        Targets that are needed; others in the object are ignored.

    Returns
    -------
    dict of str to float

    Raises
    ------
    MeasurementError
        If a value is missing, not a number, or outside the bounds of its target.
    """
    try:
        value = parse_json(line.encode())
    except JSONError:
        value = None
    given = value if isinstance(value, dict) else {}
    if len(objectives) == 1 and not isinstance(value, dict):
        given = {objectives[0]: value}
    values = {}
    for name in objectives:
        number, target = given.get(name), Target.of(name)
        if isinstance(number, int | float) and not isinstance(number, bool):
            values[name] = float(number)
        if not target.lower <= values.get(name, math.nan) <= target.upper:
            bounds = f"a number from {target.lower:g} to {target.upper:g} for {name}"
            raise MeasurementError(f"got {line[:200]!r} on the last line; expected {bounds}")
    return values


@dataclass
class LabelSearch:
    """Choose, label, learn, and choose again, among the members of a population.

    Parameters
    ----------
    table : FeatureTable
        Features of the population.
    space : str
        Space of the population.
    objectives : sequence of str
        Targets, each optimised in its direction.
    seed : int, default=0
        Seeds everything random.
    labels : dict of str to (dict of str to float) or None
        Labels by canonical form, known ones and those that :meth:`run` adds; None is a failure.
    """

    table: FeatureTable
    space: str
    objectives: Sequence[str]
    seed: int = 0
    labels: dict[str, Values | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        prefix = f"{self.space}/"
        ids = [id_ for id_ in self.table.ids if id_.startswith(prefix)]
        self._archs = [id_.removeprefix(prefix) for id_ in ids]
        names = self.table.feature_names
        X = self.table.matrix(names, ids)
        self._surrogate = Surrogate.of(X, names)
        self._goals = Objectives(self.objectives)
        # Accuracies rise with the columns of the prior; of other targets it knows nothing.
        accuracy = any(Target.of(name).unit == PERCENT for name in self.objectives)
        ranks = prior_ranks(X, names) if accuracy else np.zeros(len(X))
        good = max(FIRST, round(BEST_SHARE * len(X))) if accuracy else len(X)
        self._good = np.argsort(-ranks, kind="stable")[:good]

    def run(
        self,
        measure: Measure,
        budget: int,
        *,
        on_label: Callable[[str, Values | None, str], None] = lambda *_: None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """Label architectures until the budget is spent or all members are labelled.

        Parameters
        ----------
        measure : callable
            Labels a canonical form; :class:`MeasurementError` is a failure, which costs a label.
        budget : int
            Number of labels in all, known ones and failures included.
        on_label : callable, optional
            Called with each canonical form, its values or None, and the reason of a failure.
        on_progress : callable, optional
            Called with (labels, budget) after each label.
        """
        while len(self.labels) < budget and (arch := self.suggest()) is not None:
            reason = ""
            values: Values | None = None
            try:
                values = dict(measure(arch))
            except MeasurementError as error:
                reason = str(error)
            self.labels[arch] = values
            on_label(arch, values, reason)
            on_progress(len(self.labels), budget)

    def suggest(self) -> str | None:
        """Choose the architecture to label next.

        Returns
        -------
        str or None
            A canonical form; None if all members of the population are labelled.
        """
        free = np.array([arch not in self.labels for arch in self._archs])
        if not free.any():
            return None
        rng = np.random.default_rng([self.seed, len(self.labels)])
        place = {arch: row for row, arch in enumerate(self._archs)}
        known = self._labelled().filter(pl.col("arch").is_in(self._archs))
        if len(known) < FIRST:
            good = self._good[free[self._good]] if len(known) % 2 == 0 else ()
            return self._archs[int(rng.choice(good if len(good) else np.flatnonzero(free)))]
        rows = np.array([place[arch] for arch in known["arch"]], np.int64)
        utility = self._utility(self._goals.values(known), rng)
        gain = self._surrogate.improvement(rows, normal_quantiles(utility))
        return self._archs[int(np.flatnonzero(free)[np.argmax(gain[free])])]

    def front(self) -> pl.DataFrame:
        """List the labelled architectures that no other one dominates.

        Returns
        -------
        polars.DataFrame
            ``arch`` and the objectives, the best by the first objective first.
        """
        known = self._labelled()
        return known[pareto_front(self._goals.values(known)).tolist()]

    def _labelled(self) -> pl.DataFrame:
        """List the labelled architectures, with the value of each objective."""
        rows = [
            {"arch": arch, **values} for arch, values in self.labels.items() if values is not None
        ]
        schema = {"arch": pl.String, **dict.fromkeys(self.objectives, pl.Float64)}
        return pl.DataFrame(rows, schema=schema)

    def _utility(
        self, Y: Float64[Floats, "rows objectives"], rng: np.random.Generator
    ) -> Float64[Floats, " rows"]:
        """Weight the objectives at random, so that every part of the front has its turn."""
        span = np.ptp(Y, axis=0)
        weighted = rng.dirichlet(np.ones(Y.shape[1])) * (Y - Y.min(axis=0))
        weighted /= np.where(span > 0, span, 1.0)
        scores: Floats = weighted.min(axis=1) + _WEIGHT_OF_SUM * weighted.sum(axis=1)
        return scores
