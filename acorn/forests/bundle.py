"""Model bundles: a directory of arrays and a manifest, verified before anything is used.

Nothing in a bundle is code: forests, intervals and the outlier detector are safetensors, the
feature table is Parquet, the rest is JSON and text.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from acorn.conditions import (
    IMAGE_SIZE,
    PREFIX,
    Condition,
    encode_conditions,
    resolve_conditions,
)
from acorn.errors import AcornError, BundleError, InputError, MismatchError
from acorn.features.feature_table import FeatureRow, FeatureTable, row_id, split_row_id
from acorn.forests import manifest as files
from acorn.forests._trees.packed import PackedForest
from acorn.forests._trees.shap import TreeShap
from acorn.forests.ensemble import Attribution, Ensemble, Member
from acorn.forests.intervals import Intervals
from acorn.forests.label_scale import LabelScale, Prediction
from acorn.forests.manifest import MANIFEST, FileEntry, Manifest
from acorn.forests.outliers import OutlierDetector
from acorn.forests.training_set import TrainingSet
from acorn.targets import Target, find_target

Floats = NDArray[np.float64]
Conditions = Mapping[str, int | float | str]


class Importance(NamedTuple):
    """Drop of the explained variance when a feature and those collinear to it are shuffled.

    Attributes
    ----------
    feature : str
        First feature of the cluster.
    importance, std : float
        Mean and standard deviation over shuffles.
    """

    feature: str
    importance: float
    std: float


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle, ready to predict; made by :meth:`load`.

    Attributes
    ----------
    manifest : Manifest
        Description of the bundle.
    ensemble : Ensemble
        The forests, in the manifest's order.
    intervals : Intervals
        Calibrated on rows that the trees did not see.
    outlier_detector : OutlierDetector
        Calibrated on rows that are not among its reference rows.
    training_set : TrainingSet
        The canonical architectures that the bundle was trained on.
    table : FeatureTable
        Features of known canonical architectures.
    scale : LabelScale
        Scale of the trees and intervals.
    """

    manifest: Manifest
    ensemble: Ensemble
    intervals: Intervals
    outlier_detector: OutlierDetector
    training_set: TrainingSet
    table: FeatureTable
    scale: LabelScale
    _importances: dict[str, list[Importance]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Verify a bundle and read it.

        Parameters
        ----------
        path : pathlib.Path
            Directory of the bundle.

        Returns
        -------
        Bundle

        Raises
        ------
        BundleError
            If it is missing, changed, malformed or too new; says which file and why.
        """
        try:
            return cls._load(Path(path))
        except (AcornError, OSError) as error:
            raise BundleError(f"the bundle {path} is refused: {error}") from error

    @classmethod
    def _load(cls, path: Path) -> Self:
        names = _plain_files(path)
        if MANIFEST not in names:
            raise BundleError(f"it has no {MANIFEST}")
        manifest = Manifest.from_bytes((path / MANIFEST).read_bytes())
        listed = {MANIFEST, *manifest.files}
        if names != listed:
            difference = ", ".join(
                [f"missing {name}" for name in sorted(listed - names)]
                + [f"unexpected {name}" for name in sorted(names - listed)]
            )
            raise BundleError(f"its files are not those that the manifest lists: {difference}")
        content = {name: _verified(path / name, entry) for name, entry in manifest.files.items()}
        table = FeatureTable.read(path / files.FEATURES)
        if asdict(table.settings) != manifest.settings:
            raise BundleError(
                f"{files.FEATURES} was computed under other settings than the manifest's"
            )
        table.matrix(_network_features(manifest), ids=[])  # raises for a column that is not there
        return cls(
            manifest,
            Ensemble([_member(content[entry.file], entry, manifest) for entry in manifest.forests]),
            Intervals.from_bytes(content[files.INTERVALS], targets=len(manifest.targets)),
            OutlierDetector.from_bytes(content[files.DOMAIN], features=len(manifest.features)),
            TrainingSet.from_bytes(content[files.SEEN]),
            table,
            LabelScale.of(manifest.targets, ranks=manifest.ranks),
            _importances(content[files.IMPORTANCES], manifest),
        )

    @property
    def name(self) -> str:
        """Name of the bundle."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Version of the bundle."""
        return self.manifest.version

    @property
    def space(self) -> str:
        """Space of the architectures that it predicts for."""
        return self.manifest.space

    @property
    def dataset(self) -> str:
        """Dataset that it predicts for."""
        return self.manifest.dataset

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets, in order."""
        return tuple(self.manifest.targets)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {target: number for number, target in enumerate(self.targets)}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of its input, in order; those of conditions included."""
        return tuple(self.manifest.features)

    @cached_property
    def network_features(self) -> tuple[str, ...]:
        """Names of the features of the architecture that it reads, in order."""
        return tuple(_network_features(self.manifest))

    @property
    def conditions(self) -> Sequence[Condition]:
        """Inputs besides the features of the architecture."""
        return self.manifest.conditions

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of the ``ProxySettings`` that its features were computed under."""
        return self.manifest.settings

    def target(self, name: str) -> str:
        """Find the bundle's spelling of a target.

        Parameters
        ----------
        name : str
            Name in any spelling, such as ``pgd_linf_1`` for ``pgd_linf_1.0``.

        Returns
        -------
        str
            Name of one of :attr:`targets`.

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        """
        return name if name in self._numbers else find_target(name, self.targets)

    def describe(self, name: str) -> Target:
        """Describe what the values of a target mean.

        Parameters
        ----------
        name : str
            Name in any spelling.

        Returns
        -------
        Target
            Unit, bounds, direction and scale; those of percentiles if the bundle predicts ranks.

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        """
        target = Target.of(self.target(name))
        return target.ranks if self.manifest.ranks else target

    def predict(
        self, X: NDArray[np.float32], *, targets: Sequence[str] | None = None, interval: float = 0.9
    ) -> dict[str, Prediction]:
        """Predict targets with intervals.

        Parameters
        ----------
        X : ndarray of shape (n, len(feature_names)), float32
            Features; NaN is missing.
        targets : sequence of str, optional
            Names, in any spelling; by default all.
        interval : float, default=0.9
            Wanted coverage, inside (0, 1).

        Returns
        -------
        dict of str to Prediction
            For each name as given, arrays of shape (n,) in the unit of the target.

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        InputError
            If the level of the interval is not inside (0, 1).
        """
        numbers, column_of = self._wanted(targets)
        value, spread = self.ensemble.distribution(self._input(X), numbers)
        scale = self.scale.columns(numbers)
        value = scale.clip(value)  # a mean over trees may exceed a bound by a rounding error
        half = self.intervals.half_width(value, spread, interval, numbers)
        prediction = scale.prediction(value, half)
        return {
            name: Prediction(*(bound[:, column] for bound in prediction))
            for name, column in column_of.items()
        }

    def _wanted(self, names: Sequence[str] | None) -> tuple[list[int], dict[str, int]]:
        """Numbers of the wanted targets, ascending, and the place of each name among them."""
        names = self.targets if names is None else names
        number_of = {name: self._numbers[self.target(name)] for name in names}
        numbers = sorted(set(number_of.values()))
        return numbers, {name: numbers.index(number) for name, number in number_of.items()}

    def attributions(
        self,
        X: NDArray[np.float32],
        *,
        targets: Sequence[str] | None = None,
        method: Literal["path", "shap"] = "path",
        seconds: float | None = None,
    ) -> dict[str, Attribution]:
        """Attribute each prediction to features: baseline and contributions add up to it.

        Those for a target on a log scale add up to the logarithm of the prediction.

        Parameters
        ----------
        X : ndarray of shape (n, len(feature_names)), float32
            Features; NaN is missing.
        targets : sequence of str, optional
            Names, in any spelling; by default all.
        method : {"path", "shap"}, default="path"
            ``"path"`` credits the features on the paths that lead to the prediction, see
            :meth:`PackedForest.credits`; ``"shap"`` gives Shapley values, which do not
            depend on the order of the tests, see :class:`~acorn.forests._trees.shap.TreeShap`.
        seconds : float, optional
            Most wall-clock seconds that Shapley values may take; by default no limit.

        Returns
        -------
        dict of str to Attribution
            For each name as given, contributions of shape (n, len(feature_names)).

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        TimeBudgetError
            If Shapley values take longer than ``seconds``.
        """
        X = self._input(X)
        numbers, column_of = self._wanted(targets)
        if method == "path":
            attributions = self.ensemble.attributions(X, numbers)
        else:
            attributions = self._shap.attributions(X, numbers, seconds=seconds)
        return {name: attributions[column] for name, column in column_of.items()}

    @cached_property
    def _shap(self) -> TreeShap:
        return TreeShap(self.ensemble)

    def importances(self, target: str) -> list[Importance]:
        """Permutation importances of clusters of collinear features, on held-out rows.

        Parameters
        ----------
        target : str
            Name of a target, in any spelling.

        Returns
        -------
        list of Importance
            One for each cluster, named after its first feature; largest first.

        Raises
        ------
        UnknownTargetError
            If the bundle has no such target.
        """
        return self._importances[self.target(target)]

    def resolve(self, *given: Mapping[str, object] | None) -> dict[str, int | float | str]:
        """Give each condition its value.

        Parameters
        ----------
        *given : mapping of str to object, or None
            Values by name; later mappings win, and defaults come last.

        Returns
        -------
        dict of str to int, float or str
            The value of each condition.

        Raises
        ------
        InputError
            For an unknown condition, or a value that is not allowed.
        """
        return resolve_conditions(self.conditions, *given)

    def row_id(self, id_: str, conditions: Conditions) -> str:
        """Find the key of the features that the bundle reads for an architecture.

        Parameters
        ----------
        id_ : str
            Id of the canonical architecture.
        conditions : mapping of str to int, float or str
            A value for each condition, as :meth:`resolve` returns them.

        Returns
        -------
        str
            As :func:`acorn.features.feature_table.row_id` makes it.
        """
        return row_id(id_, self.dataset, image_size_of(conditions))

    def missing_row(self, id_: str, conditions: Conditions, error: AcornError) -> AcornError:
        """Say which image sizes need no computation, if features cannot be computed.

        Parameters
        ----------
        id_ : str
            Id of the canonical architecture.
        conditions : mapping of str to int, float or str
            A value for each condition, as :meth:`resolve` returns them.
        error : AcornError
            Why the features cannot be computed.

        Returns
        -------
        AcornError
            The same error if it is no :class:`~acorn.errors.InputError`, or the table has the
            architecture at no image size.
        """
        size = image_size_of(conditions)
        is_input = isinstance(error, InputError) and size is not None
        known = self.table.image_sizes(id_) if is_input else []
        if not known:
            return error
        return InputError(
            f"got {id_} at {IMAGE_SIZE} {size}; expected {', '.join(map(str, known))}, which the "
            f"table of {self.name} has, or another that can be computed ({error})"
        )

    def encode(self, conditions: Conditions) -> dict[str, float]:
        """Convert conditions to columns of the input.

        Parameters
        ----------
        conditions : mapping of str to int, float or str
            A value for each condition, as :meth:`resolve` returns them.

        Returns
        -------
        dict of str to float
            By name of the column.
        """
        return encode_conditions(self.conditions, conditions)

    def table_matrix(
        self,
        ids: Sequence[str] | None = None,
        conditions: Sequence[Conditions] | None = None,
        *,
        table: FeatureTable | None = None,
    ) -> NDArray[np.float32]:
        """Arrange rows of a feature table in the order that the bundle reads them.

        Parameters
        ----------
        ids : sequence of str, optional
            Keys of the rows; by default all of the table.
        conditions : sequence of mapping, optional
            Conditions of each row, as :meth:`resolve` returns them; by default the defaults, at
            the image size of the row.
        table : FeatureTable, optional
            By default the table of the bundle.

        Returns
        -------
        ndarray of shape (n, len(feature_names)), float32
        """
        table = self.table if table is None else table
        X = table.matrix(self.network_features, ids)
        if not self.conditions:
            return X
        if conditions is None:
            defaults = self.resolve()
            sizes = [split_row_id(id_)[1] for id_ in (table.ids if ids is None else ids)]
            conditions = [
                defaults if size is None else defaults | {IMAGE_SIZE: size} for size in sizes
            ]
        encoded = [self.encode(values) for values in conditions]
        by_name = dict(zip(self.network_features, X.T, strict=True))
        for name in self.encode(self.resolve()):
            by_name[name] = np.array([columns[name] for columns in encoded], np.float32)
        return np.column_stack([by_name[name] for name in self.feature_names])

    def matrix(
        self, rows: Sequence[FeatureRow], conditions: Sequence[Conditions] | None = None
    ) -> NDArray[np.float32]:
        """Arrange features in the order that the bundle reads them.

        Parameters
        ----------
        rows : sequence of FeatureRow
            Features of each architecture.
        conditions : sequence of mapping, optional
            Conditions of each row, as :meth:`resolve` returns them; by default the defaults.

        Returns
        -------
        ndarray of shape (n, len(feature_names)), float32
            NaN for null. Values beyond float32 become its largest number.

        Raises
        ------
        MismatchError
            If a row lacks a feature.
        """
        inputs = [row.values for row in rows]
        if self.conditions:
            if conditions is None:
                conditions = [self.resolve()] * len(rows)
            encoded = map(self.encode, conditions)
            inputs = [{**values, **more} for values, more in zip(inputs, encoded, strict=True)]
        try:
            values = [[row[name] for name in self.feature_names] for row in inputs]
        except KeyError as error:
            raise MismatchError(f"got features without {error}, which the forest reads") from None
        # None becomes NaN.
        return bounded(np.array(values, np.float64).reshape(len(rows), len(self.feature_names)))

    def outliers(
        self, X: NDArray[np.float32], ids: Sequence[str] | None = None
    ) -> tuple[NDArray[np.bool_], Floats]:
        """Compare rows of features with those of the training data.

        Parameters
        ----------
        X : ndarray of shape (n, len(feature_names)), float32
            Features; NaN is missing.
        ids : sequence of str, default=None
            Ids of the canonical architectures. Those of the training data are in the domain
            whatever their score, since the forest has their labels.

        Returns
        -------
        in_domain : ndarray of bool of shape (n,)
            False for outliers.
        score : ndarray of shape (n,)
            Outlier score, from 0 to 1; higher is less like the training data.
        """
        in_domain, score = self.outlier_detector.score(self._input(X))
        return in_domain if ids is None else in_domain | self.training_set.contains(ids), score

    def _input(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        if X.dtype != np.float32 or X.ndim != 2 or X.shape[1] != len(self.feature_names):
            got = f"{X.dtype} of shape {X.shape}"
            raise ValueError(f"got {got}; expected float32 of shape (n, {len(self.feature_names)})")
        return bounded(X)


def image_size_of(conditions: Conditions) -> int | None:
    """Find the image size among conditions.

    Parameters
    ----------
    conditions : mapping of str to int, float or str
        Values by name.

    Returns
    -------
    int or None
        None for that of the dataset.
    """
    size = conditions.get(IMAGE_SIZE)
    return size if isinstance(size, int) else None


def _network_features(manifest: Manifest) -> list[str]:
    return [name for name in manifest.features if not name.startswith(PREFIX)]


def bounded(X: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert features to float32. Values beyond its range become its largest number.

    Parameters
    ----------
    X : ndarray of float of any shape
        Features; NaN is missing and stays.

    Returns
    -------
    ndarray of float32 of the same shape
    """
    limits = np.finfo(np.float32)
    return np.clip(X, limits.min, limits.max).astype(np.float32, copy=False)


def _plain_files(path: Path) -> set[str]:
    if not path.is_dir():
        raise BundleError("there is no such directory")
    entries = list(path.iterdir())
    for entry in entries:
        if entry.is_symlink() or not entry.is_file():
            raise BundleError(f"{entry.name} is not a plain file")
    return {entry.name for entry in entries}


def _verified(path: Path, entry: FileEntry) -> bytes:
    size = path.stat().st_size
    if size != entry.size:
        raise BundleError(f"{path.name} has {size} bytes; the manifest says {entry.size}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BundleError(f"{path.name} has another SHA-256 than the manifest says")
    return content


def _member(content: bytes, entry: files.ForestEntry, manifest: Manifest) -> Member:
    try:
        forest = PackedForest.from_bytes(content)
    except BundleError as error:
        raise BundleError(f"{entry.file}: {error}") from error
    got = (forest.n_features, forest.n_outputs, forest.n_trees)
    expected = (len(entry.features), len(entry.targets), entry.trees)
    if got != expected:
        raise BundleError(
            f"{entry.file} has (features, outputs, trees) {got}; the manifest says {expected}"
        )
    targets = [manifest.targets.index(name) for name in entry.targets]
    return Member(forest, entry.features, targets, entry.boosted, entry.weight, entry.additive)


def _importances(content: bytes, manifest: Manifest) -> dict[str, list[Importance]]:
    try:
        importances = {
            target: [
                Importance(str(row["feature"]), float(row["importance"]), float(row["std"]))
                for row in rows
            ]
            for target, rows in json.loads(content).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{files.IMPORTANCES} is malformed: {error!r}") from error
    if set(importances) != set(manifest.targets):
        raise BundleError(f"{files.IMPORTANCES} is not of the bundle's targets")
    return importances
