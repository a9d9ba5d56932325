"""Learns to predict the accuracy of networks from a few that were trained, as scikit-learn does."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from jaxtyping import Float64
from numpy.typing import ArrayLike, NDArray
from platformdirs import user_cache_path
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from acorn.batches import Batch
from acorn.bundle_predictor import GRAPH, Network
from acorn.datasets import Dataset
from acorn.errors import InputError, MismatchError, abbreviate
from acorn.features.feature_table import NETWORK, FeatureRow, FeatureTable
from acorn.features.network_features import NetworkFeatures, digest
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle, Prediction, write_bundle
from acorn.forests import manifest as files
from acorn.forests.ensemble import Attribution
from acorn.learning.labels import Labels
from acorn.learning.model_card import model_card
from acorn.learning.population import sample_members
from acorn.learning.train import train_bundle, train_ranks
from acorn.learning.training_data import LEAST_ROWS
from acorn.proxies import list_proxies, select
from acorn.spaces import UNIVERSAL, get_space
from acorn.targets import Target

Floats = NDArray[np.float64]
PerNetwork = Float64[Floats, "networks *targets"]

BATCH_SIZE = 16
CLEAN = "clean"
_NAME = "predictor"


class AccuracyPredictor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts the accuracy of networks from a few networks whose accuracy is known, or ranks them.

    With fewer than a hundred labels the mean of Gaussian processes and trees on structure features,
    relative to a population of unlabelled networks (:mod:`acorn.learning.few_labels`); with more
    labels what model selection chooses. Without labels, networks are ranked: predictions are then
    percentiles, not accuracies. ``acorn train`` learns in the same way.

    Parameters
    ----------
    input_shape : tuple of int, default=(3, 32, 32)
        (channels, height, width) of one image, in pixels.
    num_classes : int, default=10
        Number of classes.
    random_state : int, default=0
        Seed of trees, splits, weights and proxies.
    proxies : str or iterable of str, optional
        Names of proxies, or of sets of proxies, to compute beside the structure features. Structure
        takes a quarter of a second for a large network, all proxies take minutes.
    targets : sequence of str, optional
        Names of the columns of the accuracies, such as ``("clean", "pgd_linf_1.0")``; by default
        the only one is ``clean``.
    n_jobs : int, optional
        Number of processes that compute features, and of threads of the trees; -1 is one for each
        core. By default 1.
    cache : bool or str or pathlib.Path, default=True
        Where features are kept between runs: a file, or by default ``features.sqlite`` in the
        user's cache folder. False keeps none.

    Attributes
    ----------
    bundle_ : Bundle
        The trained bundle.
    targets_ : tuple of str
        Names of the targets.
    feature_names_ : tuple of str
        Names of the features that predictions are made from.

    Examples
    --------
    >>> import acorn
    >>> specs = [{"space": "nats_sss", "arch": f"{w}:{w}:{w}:{w}:{w}"} for w in (8, 24, 40, 56, 64)]
    >>> predictor = acorn.AccuracyPredictor()
    >>> _ = predictor.fit(specs, [84.1, 90.2, 91.8, 92.6, 93.0], population=[])
    >>> predictor.predict(specs).shape
    (5,)
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 32, 32),
        num_classes: int = 10,
        random_state: int = 0,
        *,
        proxies: str | Iterable[str] | None = None,
        targets: Sequence[str] | None = None,
        n_jobs: int | None = None,
        cache: bool | str | Path = True,
    ) -> None:
        self.input_shape = input_shape
        self.num_classes = num_classes
        self.random_state = random_state
        self.proxies = proxies
        self.targets = targets
        self.n_jobs = n_jobs
        self.cache = cache

    def fit(
        self,
        networks: Sequence[Network],
        accuracies: ArrayLike | None = None,
        population: Sequence[Network] | None = None,
    ) -> Self:
        """Learn from labelled networks, or rank networks without labels.

        Parameters
        ----------
        networks : sequence of torch.nn.Module or mapping
            Five or more networks. A mapping is a specification ``{"space": ..., "arch": ...}`` or a
            row of features by name. Modules are not changed.
        accuracies : array-like of shape (n,) or (n, targets), optional
            Percent. With several targets NaN is a missing label. None ranks: predictions are
            percentiles, from 0 to 100, among the networks and their population, by a prior that
            accuracy rises with size, depth and some proxies; twenty networks or more.
        population : sequence of torch.nn.Module or mapping, optional
            Networks of the same kind without labels, best some hundreds of those that will be
            predicted. By default 200 members of the space if all networks are specifications of
            one space that can be sampled, else none.

        Returns
        -------
        AccuracyPredictor
            The predictor itself.

        Raises
        ------
        InputError
            For fewer than five labels, too few networks to rank, lengths that differ, accuracies
            that are not from 0 to 100, unknown targets, or networks that cannot be read.
        """
        networks = _listed(networks)
        targets, Y = self._labels(networks, accuracies)
        if not networks and not population:
            raise InputError("got no networks; expected those to rank")
        features = self._features
        rows = features.rows(networks)
        others = self._population(rows, population)
        if others:
            rows = rows + features.rows(others)
        space, rows = _common_space(rows)
        table = FeatureTable.from_rows(
            {row.id: row for row in rows}.values(), self._recipe.settings
        )
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / _NAME
            if accuracies is None:
                bundle = train_ranks(table, space, out, target=targets[0], seed=self.random_state)
            else:
                labels = self._label_table(space, rows[: len(networks)], targets, Y)
                bundle = train_bundle(
                    labels, table, out, seed=self.random_state, n_jobs=self.n_jobs or 1
                )
            self._contents = {name: (out / name).read_bytes() for name in bundle.manifest.files}
        self.bundle_ = bundle
        self.targets_ = bundle.targets
        self.feature_names_ = bundle.feature_names
        return self

    def _label_table(
        self, space: str, labelled: Sequence[FeatureRow], targets: Sequence[str], Y: Floats
    ) -> Labels:
        frame = pl.DataFrame(
            {
                "id": [row.id for row in labelled],
                "arch": [row.id.partition("/")[2] for row in labelled],
                **{name: Y[:, column] for column, name in enumerate(targets)},
            }
        ).with_columns(pl.col(targets).fill_nan(None))
        return Labels(space, self._dataset.name, frame, ())

    def predict(self, networks: Sequence[Network]) -> PerNetwork:
        """Predict accuracies.

        Parameters
        ----------
        networks : sequence of torch.nn.Module or mapping
            As those of :meth:`fit`.

        Returns
        -------
        ndarray of shape (n,), or (n, targets) with several targets
            Percent.

        Raises
        ------
        InputError
            For a network that cannot be read, or lacks a feature.
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        return self._columns("value", self._predictions(networks))

    def predict_interval(
        self, networks: Sequence[Network], level: float = 0.9
    ) -> tuple[PerNetwork, PerNetwork]:
        """Predict intervals that contain the accuracies with a given probability.

        Parameters
        ----------
        networks : sequence of torch.nn.Module or mapping
            As those of :meth:`fit`.
        level : float, default=0.9
            Probability, inside (0, 1).

        Returns
        -------
        lower, upper : ndarray of shape (n,), or (n, targets) with several targets
            Percent.

        Raises
        ------
        InputError, sklearn.exceptions.NotFittedError
            As :meth:`predict`, and for a level that is not inside (0, 1).
        """
        predictions = self._predictions(networks, level)
        return self._columns("lower", predictions), self._columns("upper", predictions)

    def explain(
        self, networks: Sequence[Network], method: Literal["path", "shap"] = "path"
    ) -> dict[str, Attribution]:
        """Attribute predictions to features: baseline and contributions add up to them.

        Parameters
        ----------
        networks : sequence of torch.nn.Module or mapping
            As those of :meth:`fit`.
        method : {"path", "shap"}, default="path"
            As :meth:`acorn.forests.Bundle.attributions` has it.

        Returns
        -------
        dict of str to Attribution
            For each target ``baseline``, and ``contributions`` of shape (n, features) in the order
            of ``feature_names_``.

        Raises
        ------
        InputError, sklearn.exceptions.NotFittedError
            As :meth:`predict`.
        """
        return self._fitted.attributions(self._matrix(networks), method=method)

    def save(self, path: str | Path) -> Bundle:
        """Write the bundle, which ``acorn serve`` serves.

        Its dataset is the registered one of these images and classes, or is named after them, such
        as ``1x16x16-10``.

        Parameters
        ----------
        path : str or pathlib.Path
            Folder; its name is the name of the bundle. An existing bundle is replaced.

        Returns
        -------
        Bundle
            The bundle, as loaded from there.

        Raises
        ------
        InputError
            If the folder is not that of a bundle, or a server could not compute the features: those
            of rows.
        sklearn.exceptions.NotFittedError
            Before :meth:`fit`.
        """
        out = Path(path).resolve()
        manifest = self._fitted.manifest.model_copy(update={"name": out.name})
        proxies = {*list_proxies()}
        unknown = [
            name
            for name in self.bundle_.network_features
            if name not in proxies and not name.startswith(GRAPH)
        ]
        if manifest.space == UNIVERSAL and unknown:
            got = f"{len(unknown)} features such as {min(unknown)!r}"
            raise InputError(f"got {got}; expected those that a server computes")
        ranking = json.loads(self._contents[files.IMPORTANCES])
        contents = self._contents | {files.MODEL_CARD: model_card(manifest, ranking).encode()}
        if manifest.space == UNIVERSAL:  # no request names a network of this table
            table = self.bundle_.table
            contents[files.FEATURES] = FeatureTable(table.frame.head(0), table.settings).to_bytes()
        return write_bundle(out, contents, manifest)

    @property
    def _fitted(self) -> Bundle:
        check_is_fitted(self, "bundle_")
        return self.bundle_

    @property
    def _dataset(self) -> Dataset:
        """The dataset of these images and classes."""
        shape = tuple(self.input_shape)
        integers = all(isinstance(side, int) and side > 0 for side in (*shape, self.num_classes))
        if len(shape) != 3 or not integers:
            got = f"input_shape {shape} and num_classes {self.num_classes}"
            raise InputError(f"got {got}; expected (channels, height, width) and a number, above 0")
        return Dataset.of_shape(shape, self.num_classes)

    @property
    def _recipe(self) -> FeatureRecipe:
        """How a server computes the features."""
        names = () if self.proxies is None else self.proxies
        dataset = self._dataset.name
        return FeatureRecipe.create(dataset, names, batch_size=BATCH_SIZE, seed=self.random_state)

    @property
    def _features(self) -> NetworkFeatures:
        proxies = () if self.proxies is None else select(self.proxies)
        batch: Batch | None = self._recipe.batch if proxies else None
        cache = self.cache
        if cache is True:
            cache = user_cache_path("acorn", appauthor=False, opinion=False) / "features.sqlite"
        return NetworkFeatures(
            self._dataset,
            tuple(proxy.name for proxy in proxies),
            self.random_state,
            batch,
            cache=Path(cache) if cache else None,
            n_jobs=self.n_jobs or 1,
        )

    def _labels(
        self, networks: Sequence[object], accuracies: ArrayLike | None
    ) -> tuple[list[str], Floats]:
        """Names of the targets, and labels of shape (n, targets)."""
        if accuracies is None:
            targets = [CLEAN] if self.targets is None else list(self.targets)
            if len(targets) != 1:
                raise InputError(f"got targets {targets} and no accuracies; expected one target")
            return targets, np.empty((0, 1))
        try:
            Y = np.array(accuracies, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"got accuracies {abbreviate(accuracies)}; expected numbers") from None
        if Y.ndim not in (1, 2) or len(Y) != len(networks):
            got = f"{len(networks)} networks and accuracies of shape {Y.shape}"
            raise InputError(f"got {got}; expected as many accuracies as networks")
        Y = Y.reshape(len(Y), -1)
        targets = [CLEAN] if self.targets is None else list(self.targets)
        if Y.shape[1] != len(targets) or len(set(targets)) != len(targets):
            got = f"{Y.shape[1]} columns of accuracies and targets {targets}"
            raise InputError(f"got {got}; expected a target for each column")
        for name, column in zip(targets, Y.T, strict=True):
            target = Target.of(name)
            present = column if len(targets) == 1 else column[~np.isnan(column)]
            bad = present[~((present >= target.lower) & (present <= target.upper))]
            if len(bad):
                bounds = f"from {target.lower:g} to {target.upper:g}"
                raise InputError(f"got an accuracy of {bad[0]:g} ({name}); expected {bounds}")
            if len(present) < LEAST_ROWS:
                got = f"{len(present)} networks with accuracies ({name})"
                raise InputError(f"got {got}; expected {LEAST_ROWS} or more")
        return targets, Y

    def _population(
        self, rows: Sequence[FeatureRow], population: Sequence[Network] | None
    ) -> list[Network]:
        if population is not None:
            return _listed(population)
        spaces = {row.id.partition("/")[0] for row in rows}
        if len(spaces) > 1 or NETWORK in spaces:
            return []
        space = get_space(spaces.pop())
        try:
            sampled = sample_members(space, seed=self.random_state)
        except InputError:  # a space of arbitrary networks
            return []
        return [{"space": space.name, "arch": arch} for arch in sampled]

    def _matrix(self, networks: Sequence[Network]) -> NDArray[np.float32]:
        bundle = self._fitted
        rows = self._features.rows(_listed(networks))
        try:
            return bundle.matrix(rows)
        except MismatchError as error:
            raise InputError(str(error)) from error

    def _predictions(
        self, networks: Sequence[Network], level: float = 0.9
    ) -> dict[str, Prediction]:
        return self._fitted.predict(self._matrix(networks), interval=level)

    def _columns(
        self, name: Literal["value", "lower", "upper"], predictions: Mapping[str, Prediction]
    ) -> PerNetwork:
        columns = [getattr(predictions[target], name) for target in self.targets_]
        return columns[0] if len(columns) == 1 else np.column_stack(columns)


def _listed(networks: Sequence[Network]) -> list[Network]:
    """Copy a sequence of networks; a single one is an error."""
    if isinstance(networks, Mapping | str) or hasattr(networks, "parameters"):
        raise InputError(f"got {abbreviate(networks)}; expected a list of networks")
    return list(networks)


def _common_space(rows: Sequence[FeatureRow]) -> tuple[str, list[FeatureRow]]:
    """Space of a bundle, and rows with the features that all of them have."""
    spaces = {row.id.partition("/")[0] for row in rows}
    if len(spaces) == 1 and NETWORK not in spaces:
        return spaces.pop(), list(rows)
    shared = set.intersection(*(set(row.values) for row in rows))
    if not shared:
        raise InputError("got rows without a feature in common; expected equal names")
    names = [name for name in rows[0].values if name in shared]
    selected = [({name: row.values[name] for name in names}, row.reasons) for row in rows]
    return UNIVERSAL, [
        FeatureRow(f"{NETWORK}/{digest(sorted(values.items()))}", values, reasons)
        for values, reasons in selected
    ]
