"""Predicts the accuracies of architectures, given as specs or networks, with a trained bundle."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, Union

import numpy as np
from numpy.typing import NDArray

from acorn.datasets import get_dataset
from acorn.errors import (
    InputError,
    InvalidArchitectureError,
    MismatchError,
    UnknownDatasetError,
    abbreviate,
)
from acorn.explanations import Changes, NearestArchitecture, Neighbourhood, best_changes
from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle, Prediction
from acorn.forests.bundle import Conditions, image_size_of
from acorn.forests.released import find_bundle
from acorn.spaces import UNIVERSAL, Architecture, get_space, recognise_ids

if TYPE_CHECKING:
    from torch import nn

Spec = Mapping[str, object]
"""An architecture as ``{"space": ..., "arch": ...}``, with optional ``"conditions"``."""

Network: TypeAlias = Union[Spec, "nn.Module"]
"""A spec or a network."""

GRAPH = "graph."
"""Prefix of the structure features that every network has."""


class BundlePredictor:
    """Predicts for specs and networks what a bundle predicts for their features.

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
        As given; :meth:`~acorn.forests.Bundle.predict` of a bundle takes a matrix of features.

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
        self._neighbourhood = Neighbourhood(bundle)
        recognise_ids(bundle.table.ids)

    def predict(
        self,
        networks: Sequence[Network],
        targets: Sequence[str] | None = None,
        interval: float = 0.9,
        *,
        conditions: Conditions | None = None,
    ) -> dict[str, Prediction]:
        """Predict the targets of architectures.

        Parameters
        ----------
        networks : sequence of mapping or torch.nn.Module
            Architectures, each ``{"space": ..., "arch": ...}``; equivalent ones get the same
            prediction. A spec may have ``"conditions"`` of its own, which win. A bundle that reads
            only structure features of the layer graph takes networks, too; they are not changed.
        targets : sequence of str, optional
            Names of targets; by default all of the bundle.
        interval : float, default=0.9
            Level of the intervals, inside (0, 1).
        conditions : mapping of str to int, float or str, optional
            Conditions of all networks, such as ``{"image_size": 288}``; by default those of the
            bundle, see :attr:`acorn.forests.Bundle.conditions`.

        Returns
        -------
        dict
            For each target a :class:`~acorn.forests.Prediction`: ``value``, ``lower`` and
            ``upper``, each of shape (n,), in the unit of the target.

        Raises
        ------
        InputError
            For a bad spec, condition, target or level; the message has the number of the spec.
        MismatchError
            If features have to be computed by another engine than the bundle's.
        """
        X, _ = self.features(networks, conditions=conditions)
        return self.bundle.predict(X, targets=targets, interval=interval)

    def in_domain(
        self, networks: Sequence[Network], *, conditions: Conditions | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Check whether architectures are like those of the training data.

        Parameters
        ----------
        networks : sequence of mapping or torch.nn.Module
            As those of :meth:`predict`.
        conditions : mapping of str to int, float or str, optional
            As those of :meth:`predict`.

        Returns
        -------
        in_domain : numpy.ndarray
            Shape (n,); False marks an outlier, whose prediction is less reliable.
        score : numpy.ndarray
            Outlier score in 0..1, shape (n,); higher is less like the training data.
        """
        return self.bundle.outliers(*self.features(networks, conditions=conditions))

    def nearest(
        self,
        networks: Sequence[Network],
        targets: Sequence[str] | None = None,
        interval: float = 0.9,
        *,
        conditions: Conditions | None = None,
    ) -> list[list[NearestArchitecture]]:
        """Find similar architectures among those that the bundle was trained on.

        Parameters
        ----------
        networks, targets, interval, conditions
            As those of :meth:`predict`.

        Returns
        -------
        list of list of NearestArchitecture
            For each network up to three, the nearest first and never the network itself, with what
            the bundle predicts for them.

        Raises
        ------
        InputError, MismatchError
            As :meth:`predict`.
        """
        X, ids, given = self._inputs(networks, conditions)
        return self._neighbourhood.nearest(X, ids, given, targets=targets, interval=interval)

    def best_changes(
        self,
        networks: Sequence[Network],
        targets: Sequence[str] | None = None,
        interval: float = 0.9,
        *,
        conditions: Conditions | None = None,
    ) -> list[Changes]:
        """Find the single edit of each architecture that improves its predictions most.

        Parameters
        ----------
        networks, targets, interval, conditions
            As those of :meth:`predict`.

        Returns
        -------
        list of Changes
            For each network, the best edit of its canonical form by target, and how many were
            compared, see :func:`acorn.explanations.best_changes`.

        Raises
        ------
        InputError, MismatchError
            As :meth:`predict`.
        """
        X, ids, given = self._inputs(networks, conditions)
        predictions = self.bundle.predict(X, targets=targets, interval=interval)
        return [
            best_changes(
                self.bundle,
                id_,
                {name: float(prediction.value[row]) for name, prediction in predictions.items()},
                given[row],
                interval=interval,
            )
            for row, id_ in enumerate(ids)
        ]

    def features(
        self, networks: Sequence[Network], *, conditions: Conditions | None = None
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Look up or compute the features of architectures.

        Parameters
        ----------
        networks : sequence of mapping or torch.nn.Module
            As those of :meth:`predict`.
        conditions : mapping of str to int, float or str, optional
            As those of :meth:`predict`.

        Returns
        -------
        X : numpy.ndarray
            Shape (n, len(bundle.feature_names)); NaN is missing.
        ids : list of str
            Ids of the canonical architectures; that of a network is its position.
        """
        X, ids, _ = self._inputs(networks, conditions)
        return X, ids

    def _inputs(
        self, networks: Sequence[Network], conditions: Conditions | None
    ) -> tuple[NDArray[np.float32], list[str], list[Conditions]]:
        """Features, ids and conditions of architectures."""
        if isinstance(networks, Mapping | str) or _is_module(networks):
            raise InputError(f"got {abbreviate(networks)}; expected a list of specs")
        shared = self.bundle.resolve(conditions)
        rows, ids = [], []
        values: list[Conditions] = []
        for number, network in enumerate(networks):
            given: Conditions = shared
            if _is_module(network):
                id_, row = f"network {number}", self._trace(network, shared)
            else:
                architecture, given = self._parse(number, network, shared)
                id_, row = architecture.id, self._row(architecture, given)
            rows.append(row)
            ids.append(id_)
            values.append(given)
        return self.bundle.matrix(rows, values), ids, values

    def _parse(
        self, number: int, spec: object, shared: Conditions
    ) -> tuple[Architecture, Conditions]:
        """Read one spec and its conditions, and check that the bundle can answer for it."""
        if not isinstance(spec, Mapping) or set(spec) - {"conditions"} != {"space", "arch"}:
            raise InvalidArchitectureError(
                f"spec {number}: got {abbreviate(spec)}; expected a mapping of space and arch"
            )
        given = spec.get("conditions") or {}
        try:
            if not isinstance(given, Mapping):
                raise InputError(f"got conditions {abbreviate(given)}; expected a mapping")
            conditions = self.bundle.resolve(shared, given)
            space = get_space(spec["space"])
            if self.bundle.space not in (space.name, UNIVERSAL):
                raise InvalidArchitectureError(
                    f"got space {space.name}; {self.bundle.name} is for {self.bundle.space}"
                )
            universal = self.bundle.space == UNIVERSAL
            if universal and not space.takes(get_dataset(self.bundle.dataset)):
                raise UnknownDatasetError(self.bundle.dataset, space.datasets)
            return space.parse(spec["arch"]), conditions
        except InputError as error:
            raise InvalidArchitectureError(f"spec {number}: {error}") from error

    def _row(self, architecture: Architecture, conditions: Conditions) -> FeatureRow:
        key = self.bundle.row_id(architecture.id, conditions)
        row = self.bundle.table.row(key) or self._computed.get(key)
        if row is None:
            from acorn.features.extractor import get_extractor  # which imports torch

            recipe = FeatureRecipe(self.bundle.table.settings, self.bundle.network_features)
            space = get_space(architecture.space)
            try:
                row = get_extractor(recipe, self._device).compute(
                    space, architecture.canonical, image_size=image_size_of(conditions)
                )
            except InputError as error:
                raise self.bundle.missing_row(architecture.id, conditions, error) from error
            absent = set(self.bundle.network_features) - row.values.keys()
            if absent:
                raise MismatchError(
                    f"{self.bundle.name} reads {len(absent)} features that {space.name} does not "
                    f"have, {min(absent)} among them"
                )
            self._computed[key] = row
        return row

    def _trace(self, network: "nn.Module", conditions: Conditions) -> FeatureRow:
        """Compute the structure features of a network."""
        from acorn.graph import structure_features, trace_shapes

        others = [name for name in self.bundle.network_features if not name.startswith(GRAPH)]
        if others:
            raise InputError(
                f"got a network; expected a spec, since {self.bundle.name} reads {others[0]}, "
                "which is no feature of the layer graph"
            )
        dataset = get_dataset(self.bundle.dataset).at(image_size_of(conditions))
        graph = trace_shapes(network, dataset.input_shape)
        return FeatureRow("", structure_features(graph, design=dataset.design))


def _is_module(value: object) -> TypeGuard["nn.Module"]:
    """Whether a value is a network; torch is not imported for the answer."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


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
    return BundlePredictor(Bundle.load(find_bundle(name)), device=device)
