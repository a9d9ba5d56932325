"""Released forests: a directory of arrays and a manifest, verified before anything is used.

Nothing in a bundle is code: forests, intervals and the outlier detector are safetensors, the
feature table is Parquet, the rest is JSON and text.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from acorn.errors import AcornError, BundleError, MismatchError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.forests import manifest as files
from acorn.forests._trees.packed import PackedForest
from acorn.forests._trees.shap import TreeShap
from acorn.forests.ensemble import Attribution, Ensemble, Member
from acorn.forests.intervals import Intervals
from acorn.forests.label_scale import LabelScale, Prediction
from acorn.forests.manifest import MANIFEST, FileEntry, Manifest
from acorn.forests.outliers import OutlierDetector
from acorn.forests.training_set import TrainingSet
from acorn.targets import find_target

Floats = NDArray[np.float64]


class Importance(NamedTuple):
    """How much the explained variance drops when a feature, and those collinear, are shuffled."""

    feature: str
    importance: float
    std: float


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle, ready to predict; made by :meth:`load`.

    Attributes
    ----------
    manifest
        What the bundle says of itself.
    ensemble
        The forests, in the manifest's order.
    intervals, outlier_detector
        Calibrated on rows that the trees did not see.
    training_set
        The functions that it was trained on.
    table
        Features of known functions.
    scale
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
        table.matrix(manifest.features, ids=[])  # raises for a column that is not there
        return cls(
            manifest,
            Ensemble([_member(content[entry.file], entry, manifest) for entry in manifest.forests]),
            Intervals.from_bytes(content[files.INTERVALS], targets=len(manifest.targets)),
            OutlierDetector.from_bytes(content[files.DOMAIN], features=len(manifest.features)),
            TrainingSet.from_bytes(content[files.SEEN]),
            table,
            LabelScale.of(manifest.targets),
            _importances(content[files.IMPORTANCES], manifest),
        )

    @property
    def name(self) -> str:
        """Name under which the bundle is released."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Version of the bundle."""
        return self.manifest.version

    @property
    def space(self) -> str:
        """The space that it predicts for."""
        return self.manifest.space

    @property
    def dataset(self) -> str:
        """The dataset that it predicts for."""
        return self.manifest.dataset

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """What it predicts."""
        return tuple(self.manifest.targets)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {target: number for number, target in enumerate(self.targets)}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns of its inputs, in order."""
        return tuple(self.manifest.features)

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of the ``ProxySettings`` that its features were computed under."""
        return self.manifest.settings

    def target(self, name: str) -> str:
        """The bundle's spelling of a target; raises UnknownTargetError."""
        return name if name in self._numbers else find_target(name, self.targets)

    def predict(
        self, X: NDArray[np.float32], *, targets: Sequence[str] | None = None, interval: float = 0.9
    ) -> dict[str, Prediction]:
        """Predict targets with intervals.

        Parameters
        ----------
        X
            Features of shape (n, len(feature_names)); NaN is missing.
        targets
            Names, in any spelling; all when not given.
        interval
            Wanted coverage, inside (0, 1).

        Returns
        -------
        dict
            A :class:`Prediction` for each name as asked for, with arrays of shape (n,) in the unit
            of the target.
        """
        asked = list(self.targets if targets is None else targets)
        positions = [self._numbers[self.target(name)] for name in asked]
        distinct = sorted(set(positions))
        value, spread = self.ensemble.distribution(self._input(X), distinct)
        scale = self.scale.columns(distinct)
        value = scale.clip(value)  # means of trees round
        half = self.intervals.half_width(value, spread, interval, distinct)
        prediction = scale.prediction(value, half)
        return {
            name: Prediction(*(bound[:, i] for bound in prediction))
            for name, i in zip(asked, map(distinct.index, positions), strict=True)
        }

    def attributions(
        self,
        X: NDArray[np.float32],
        *,
        targets: Sequence[str] | None = None,
        method: Literal["path", "shap"] = "path",
        seconds: float | None = None,
    ) -> dict[str, Attribution]:
        """Credit each prediction to features, so that they add up to it from a baseline.

        The credits for a target on a log scale add up to the logarithm of the prediction.

        Parameters
        ----------
        X, targets
            As those of :meth:`predict`.
        method
            ``"path"`` credits the features on the paths that lead to the prediction, see
            :meth:`PackedForest.credits`; ``"shap"`` gives Shapley values, which do not
            depend on the order of the tests, see :class:`~acorn.forests._trees.shap.TreeShap`.
        seconds
            Most wall-clock seconds that Shapley values may take; no limit when not given.

        Raises
        ------
        TimeBudgetError
            If they take longer.
        """
        X = self._input(X)
        asked = list(self.targets if targets is None else targets)
        positions = [self.targets.index(self.target(name)) for name in asked]
        distinct = sorted(set(positions))
        if method == "path":
            found = self.ensemble.attributions(X, distinct)
        else:
            found = self._shap.attributions(X, distinct, seconds=seconds)
        return {
            name: found[distinct.index(position)]
            for name, position in zip(asked, positions, strict=True)
        }

    @cached_property
    def _shap(self) -> TreeShap:
        return TreeShap(self.ensemble)

    def importances(self, target: str) -> list[Importance]:
        """Importances of clusters of collinear features, by their first members, largest first."""
        return self._importances[self.target(target)]

    def matrix(self, rows: Sequence[FeatureRow]) -> NDArray[np.float32]:
        """Arrange features in the order that the bundle reads them.

        Parameters
        ----------
        rows : sequence of FeatureRow
            Features of each architecture.

        Returns
        -------
        ndarray of shape (n, len(feature_names)), float32
            NaN for null. Values beyond float32 become its largest number.

        Raises
        ------
        MismatchError
            If a row lacks a feature.
        """
        try:
            values = [[row.values[name] for name in self.feature_names] for row in rows]
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


def bounded(X: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert to float32; what overflows becomes the largest number, which trees can still sort."""
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
    return Member(forest, entry.features, [manifest.targets.index(name) for name in entry.targets])


def _importances(content: bytes, manifest: Manifest) -> dict[str, list[Importance]]:
    try:
        found = {
            target: [
                Importance(str(row["feature"]), float(row["importance"]), float(row["std"]))
                for row in rows
            ]
            for target, rows in json.loads(content).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{files.IMPORTANCES} is malformed: {error!r}") from error
    if set(found) != set(manifest.targets):
        raise BundleError(f"{files.IMPORTANCES} is not of the bundle's targets")
    return found
