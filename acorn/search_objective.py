"""Predicted objectives for the optimisers of other libraries: Optuna and pymoo.

They choose architectures of a space of choices, and read what a bundle predicts for them. This
module needs neither library.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.bundle_predictor import BundlePredictor, load_bundle
from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidArchitectureError
from acorn.forests.bundle import Conditions
from acorn.optional import need
from acorn.spaces import get_space
from acorn.spaces.base import ChoiceValue
from acorn.targets import COSTS

EXTRA = "search"


class SearchObjective:
    """What a bundle predicts for architectures that an optimiser chooses.

    Parameters
    ----------
    bundle : str, pathlib.Path or BundlePredictor
        What :func:`acorn.load_bundle` takes or returns.
    objectives : sequence of str
        Targets of the bundle, and ``params`` and ``flops``, which are in millions.
    space : str, optional
        A space of choices; by default the bundle's. A universal bundle needs one.
    conditions : mapping of str to int, float or str, optional
        Conditions of all predictions; by default those of the bundle.

    Attributes
    ----------
    choices : mapping of str to sequence
        Name of each choice of an architecture, and its values.
    directions : list of str
        ``"maximize"`` or ``"minimize"`` for each objective, as Optuna has it.

    Raises
    ------
    InputError
        If the bundle does not predict an objective, or the space has no choices.

    Examples
    --------
    >>> objective = acorn.SearchObjective("nats_tss-cifar10", ["clean", "params"])
    >>> study = optuna.create_study(directions=objective.directions)
    >>> study.optimize(objective, n_trials=100)
    >>> [trial.user_attrs["arch"] for trial in study.best_trials]

    >>> front = pymoo.optimize.minimize(objective.problem(), algorithm, ("n_gen", 20))
    >>> [objective.arch(places) for places in front.X]
    """

    def __init__(
        self,
        bundle: str | Path | BundlePredictor,
        objectives: Sequence[str],
        *,
        space: str | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        loaded = bundle if isinstance(bundle, BundlePredictor) else load_bundle(bundle)
        if isinstance(objectives, str) or not objectives:
            raise InputError(f"got objectives {objectives!r}; expected a list such as ['clean']")
        self._predictor = loaded
        self._space = get_space(space or loaded.bundle.space)
        self._dataset = get_dataset(loaded.bundle.dataset)
        self._conditions = conditions
        self._objectives = [
            name if name in COSTS else loaded.bundle.target(name) for name in objectives
        ]
        self.choices: Mapping[str, Sequence[ChoiceValue]] = self._space.choice_values()
        self.directions = [
            "minimize"
            if name in COSTS or not loaded.bundle.describe(name).higher_is_better
            else "maximize"
            for name in self._objectives
        ]

    def arch(self, places: Sequence[int] | NDArray[np.integer]) -> str:
        """Write the architecture of a vector.

        Parameters
        ----------
        places : sequence of int of shape (choices,)
            Which of its values each choice has, from 0.

        Returns
        -------
        str
            A specification of the space.

        Raises
        ------
        InvalidArchitectureError
            If there is no such value, or the space refuses the combination.
        """
        allowed = [*self.choices.values()]
        numbers = [int(place) for place in places]
        if len(numbers) != len(allowed) or not all(
            0 <= place < len(values) for place, values in zip(numbers, allowed, strict=True)
        ):
            most = [len(values) - 1 for values in allowed]
            raise InvalidArchitectureError(f"got {numbers}; expected 0 to {most}")
        return self._space.compose(
            [values[place] for place, values in zip(numbers, allowed, strict=True)]
        )

    def predict(self, archs: Sequence[str]) -> NDArray[np.float64]:
        """Predict the objectives of architectures.

        Parameters
        ----------
        archs : sequence of str
            Specifications of the space.

        Returns
        -------
        ndarray of shape (n, objectives)
            Values in the units of the objectives.

        Raises
        ------
        InputError
            For an architecture that is not valid, or whose features cannot be computed.
        """
        specs = [{"space": self._space.name, "arch": arch} for arch in archs]
        targets = [name for name in self._objectives if name not in COSTS]
        columns: dict[str, Any] = {}
        if targets:
            predictions = self._predictor.predict(specs, targets, conditions=self._conditions)
            columns = {name: predictions[name].value for name in targets}
        if len(targets) < len(self._objectives):
            costs = [self._space.cost(arch, self._dataset) for arch in archs]
            columns |= {name: [getattr(cost, name) for cost in costs] for name in COSTS}
        return np.array([columns[name] for name in self._objectives], np.float64).T

    def __call__(self, trial: Any) -> float | tuple[float, ...]:  # noqa: ANN401, RUF100
        """Evaluate a trial of Optuna.

        Parameters
        ----------
        trial : optuna.Trial
            Suggests every choice as a categorical parameter, and gets the architecture as its
            attribute ``arch``.

        Returns
        -------
        float or tuple of float
            The predicted objective, or objectives.

        Raises
        ------
        optuna.TrialPruned
            If the space refuses the combination.
        """
        values = [trial.suggest_categorical(name, [*v]) for name, v in self.choices.items()]
        try:
            arch = self._space.compose(values)
        except InvalidArchitectureError as error:
            raise need("optuna", extra=EXTRA).TrialPruned(str(error)) from None
        trial.set_user_attr("arch", arch)
        first, *others = self.predict([arch])[0].tolist()
        return (first, *others) if others else first

    def problem(self) -> Any:  # noqa: ANN401, RUF100
        """Make a problem for pymoo.

        Returns
        -------
        pymoo.core.problem.Problem
            Its variables are the integers that :meth:`arch` takes. Objectives that are maximised
            have the opposite sign. If the space refuses some combinations, they violate the only
            constraint.

        Raises
        ------
        InputError
            If pymoo is not installed.
        """
        base = need("pymoo.core.problem", extra=EXTRA).Problem
        signs = np.array([-1.0 if way == "maximize" else 1.0 for way in self.directions])
        most = np.array([len(values) - 1 for values in self.choices.values()])
        objective = self

        class ArchitectureProblem(base):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                super().__init__(
                    n_var=len(most), n_obj=len(signs), n_ieq_constr=1, xl=0, xu=most, vtype=int
                )

            def _evaluate(self, X: NDArray[np.integer], out: dict[str, Any], **_: object) -> None:
                archs = [objective._arch_or_none(places) for places in X]
                allowed = np.array([arch is not None for arch in archs])
                values = np.zeros((len(archs), len(signs)))
                if allowed.any():
                    kept = [arch for arch in archs if arch is not None]
                    values[allowed] = signs * objective.predict(kept)
                out["F"], out["G"] = values, np.where(allowed, 0.0, 1.0)[:, None]

        return ArchitectureProblem()

    def _arch_or_none(self, places: NDArray[np.integer]) -> str | None:
        try:
            return self.arch(places)
        except InvalidArchitectureError:
            return None
