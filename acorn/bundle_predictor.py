"""Predicts the accuracies of architectures, given as specs, with a trained bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acorn.errors import (
    InputError,
    InvalidArchitectureError,
    MismatchError,
    UnknownDatasetError,
    abbreviate,
)
from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle, Prediction
from acorn.forests.released import released_folder
from acorn.spaces import UNIVERSAL, Architecture, get_space

Spec = Mapping[str, object]
"""An architecture as ``{"space": ..., "arch": ...}``."""


class BundlePredictor:
    """Predicts for specs what a bundle predicts for their features.

    Features come from the bundle's table, or are computed once and remembered.

    Parameters
    ----------
    bundle : Bundle
        A verified bundle.
    device : str, default="auto"
        Where features are computed, as :func:`~acorn.devices.find_device` reads it.

    Attributes
    ----------
    bundle : Bundle
        As given; its own :meth:`~acorn.forests.Bundle.predict` takes a matrix of features.

    Examples
    --------
    >>> import acorn
    >>> predictor = acorn.load_bundle("nats_sss-cifar10")
    >>> clean = predictor.predict([{"space": "nats_sss", "arch": "64:64:64:64:64"}])["clean"]
    >>> bool(clean.lower[0] <= clean.value[0] <= clean.upper[0])
    True
    """

    def __init__(self, bundle: Bundle, *, device: str = "auto") -> None:
        self.bundle = bundle
        self._device = device
        self._computed: dict[str, FeatureRow] = {}

    def predict(
        self,
        specs: Sequence[Spec],
        targets: Sequence[str] | None = None,
        interval: float = 0.9,
    ) -> dict[str, Prediction]:
        """Predict the targets of architectures.

        Parameters
        ----------
        specs : sequence of mapping
            Architectures, each ``{"space": ..., "arch": ...}``; equivalent ones get the same
            prediction.
        targets : sequence of str, optional
            Names of targets; by default all of the bundle.
        interval : float, default=0.9
            Level of the intervals, inside (0, 1).

        Returns
        -------
        dict
            For each target a :class:`~acorn.forests.Prediction`: ``value``, ``lower`` and
            ``upper``, each of shape (n,), in the unit of the target.

        Raises
        ------
        InputError
            For a bad spec, target or level; says the number of the spec.
        MismatchError
            If features have to be computed by another engine than the bundle's.
        """
        X, _ = self.features(specs)
        return self.bundle.predict(X, targets=targets, interval=interval)

    def in_domain(self, specs: Sequence[Spec]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Check whether architectures are like those of the training data.

        Parameters
        ----------
        specs : sequence of mapping
            As those of :meth:`predict`.

        Returns
        -------
        in_domain : numpy.ndarray
            Shape (n,); False marks an outlier, whose prediction is less reliable.
        score : numpy.ndarray
            Outlier score in 0..1, shape (n,); higher is less like the training data.
        """
        return self.bundle.outliers(*self.features(specs))

    def features(self, specs: Sequence[Spec]) -> tuple[NDArray[np.float32], list[str]]:
        """Features of architectures, from the bundle's table or computed.

        Parameters
        ----------
        specs : sequence of mapping
            As those of :meth:`predict`.

        Returns
        -------
        X : numpy.ndarray
            Shape (n, len(bundle.feature_names)); NaN is missing.
        ids : list of str
            Ids of the canonical architectures.
        """
        if isinstance(specs, Mapping | str):
            raise InputError(f"got {abbreviate(specs)}; expected a list of specs")
        architectures = [self._parse(number, spec) for number, spec in enumerate(specs)]
        rows = {each.id: each for each in architectures}
        features = {id_: self._row(architecture) for id_, architecture in rows.items()}
        ids = [architecture.id for architecture in architectures]
        return self.bundle.matrix([features[id_] for id_ in ids]), ids

    def _parse(self, number: int, spec: object) -> Architecture:
        """Read one spec, and check that the bundle can answer for it."""
        if not isinstance(spec, Mapping) or set(spec) != {"space", "arch"}:
            raise InvalidArchitectureError(
                f"spec {number}: got {abbreviate(spec)}; expected a mapping of space and arch"
            )
        try:
            space = get_space(spec["space"])
            if self.bundle.space not in (space.name, UNIVERSAL):
                raise InvalidArchitectureError(
                    f"got space {space.name}; {self.bundle.name} is for {self.bundle.space}"
                )
            if self.bundle.dataset not in space.datasets:
                raise UnknownDatasetError(self.bundle.dataset, space.datasets)
            return space.parse(spec["arch"])
        except InputError as error:
            raise InvalidArchitectureError(f"spec {number}: {error}") from error

    def _row(self, architecture: Architecture) -> FeatureRow:
        row = self.bundle.table.row(architecture.id) or self._computed.get(architecture.id)
        if row is None:
            from acorn.features.extractor import get_extractor  # which imports torch

            recipe = FeatureRecipe(self.bundle.table.settings, self.bundle.feature_names)
            space = get_space(architecture.space)
            row = get_extractor(recipe, self._device).compute(space, architecture.canonical)
            absent = set(self.bundle.feature_names) - row.values.keys()
            if absent:
                raise MismatchError(
                    f"{self.bundle.name} reads {len(absent)} features that {space.name} does not "
                    f"have, {min(absent)} among them"
                )
            self._computed[architecture.id] = row
        return row


def load_bundle(name: str | Path, *, device: str = "auto") -> BundlePredictor:
    """Load a bundle to predict with.

    Parameters
    ----------
    name : str or pathlib.Path
        Name of a released bundle, such as ``"nats_tss-cifar10"``, or the path of any bundle.
    device : str, default="auto"
        Where features are computed that the bundle's table lacks.

    Returns
    -------
    BundlePredictor
        Predicts for specs; its attribute ``bundle`` predicts for a matrix of features.

    Raises
    ------
    BundleError
        If there is no such bundle, or it does not pass verification.
    """
    released = released_folder() / name
    return BundlePredictor(
        Bundle.load(released if released.is_dir() else Path(name)), device=device
    )
