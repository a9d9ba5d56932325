"""A small bundle as real as the released ones: real cells, real features, made-up labels."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.extractor import FeatureExtractor
from acorn.features.feature_table import FeatureTable
from acorn.forests import (
    Ensemble,
    Intervals,
    Manifest,
    Member,
    OutlierDetector,
    PackedForest,
    TrainingSet,
    write_bundle,
)
from acorn.forests.manifest import SCHEMA_VERSION, FileEntry, ForestEntry
from acorn.spaces import get_space

KNOWN = 48
NAME = "nats_tss-cifar10"
TARGETS = ("clean", "pgd_linf_1.0")
PROXIES = ("params", "flops", "l2_norm", "synflow")


@dataclass(frozen=True)
class SmallForest:
    """A folder with one bundle, and cells that its table knows or does not know."""

    folder: Path
    known: list[str]
    unknown: list[str]
    twins: tuple[str, str]
    features: tuple[str, ...]
    name: str = NAME
    targets: tuple[str, ...] = TARGETS

    @staticmethod
    def id(cell: str) -> str:
        return get_space("nats_tss").parse(cell).id

    @staticmethod
    def canonical(cell: str) -> str:
        return get_space("nats_tss").parse(cell).canonical

    def compute(self, cell: str) -> dict[str, float | None]:
        """Features computed here, in this process."""
        values = self._extractor.compute(get_space("nats_tss"), self.canonical(cell)).values
        return {name: values[name] for name in self.features}

    @cached_property
    def _extractor(self) -> FeatureExtractor:
        return extractor()


def extractor() -> FeatureExtractor:
    dataset = get_dataset("cifar10")
    return FeatureExtractor(dataset, embedded_batch(dataset, size=8), proxies=PROXIES, device="cpu")


def make(folder: Path) -> SmallForest:
    """Write the bundle into ``folder``."""
    space = get_space("nats_tss")
    cells = {space.parse(cell).id: cell for cell in space.sample(300, seed=3)}
    known, unknown = [*cells.values()][:KNOWN], [*cells.values()][KNOWN:]
    tool = extractor()
    rows = [tool.compute(space, space.parse(cell).canonical) for cell in known]
    table = FeatureTable.from_rows(rows, tool.settings)
    names = tuple(table.feature_names)
    _write(folder / NAME, table)
    plain = "|{}~0|+|none~0|none~1|+|{}~0|none~1|none~2|"
    twins = (
        plain.format("nor_conv_3x3", "nor_conv_1x1"),  # its first edge leads nowhere
        plain.format("avg_pool_3x3", "nor_conv_1x1"),
    )
    return SmallForest(folder, known, unknown, twins, names)


def _write(path: Path, table: FeatureTable) -> None:
    X = table.matrix(table.feature_names)
    strength = X[:, table.feature_names.index("params")]
    rank = np.argsort(np.argsort(strength)) / len(X)
    labels = np.column_stack([60 + 30 * rank, 20 + 40 * rank**2])
    labels += np.random.default_rng(0).normal(size=labels.shape)
    fitted = RandomForestRegressor(20, random_state=0, bootstrap=True, oob_score=True)
    fitted.fit(X, labels)
    forest = PackedForest.from_sklearn(fitted)
    residuals = labels - fitted.oob_prediction_
    _, spread = Ensemble([Member(forest, range(X.shape[1]), range(len(TARGETS)))]).distribution(
        X, range(len(TARGETS))
    )
    importances = [
        {"feature": table.feature_names[i], "importance": float(value), "std": 0.0}
        for i in np.argsort(-fitted.feature_importances_)
        if (value := fitted.feature_importances_[i]) > 0
    ]
    scratch = path.parent.parent / "features.parquet"
    table.write(scratch)
    contents = {
        "forest.safetensors": forest.to_bytes(),
        "features.parquet": scratch.read_bytes(),
        "intervals.safetensors": Intervals.fit(
            residuals, fitted.oob_prediction_, spread
        ).to_bytes(),
        "domain.safetensors": OutlierDetector.fit(X, seed=0).to_bytes(),
        "seen.safetensors": TrainingSet.of(table.ids).to_bytes(),
        "importances.json": json.dumps(dict.fromkeys(TARGETS, importances)).encode(),
        "MODEL_CARD.md": b"# For tests\n",
    }

    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=NAME,
        version="0.0.1",
        space="nats_tss",
        dataset="cifar10",
        created=datetime(2026, 11, 21, tzinfo=UTC),
        files=dict.fromkeys(contents, FileEntry(sha256="0" * 64, size=0)),
        targets=list(TARGETS),
        features=table.feature_names,
        settings=asdict(table.settings),
        libraries={},
        labels=[],
        functions=len(table),
        forests=[
            ForestEntry(
                file="forest.safetensors",
                features=list(range(len(table.feature_names))),
                targets=list(TARGETS),
                trees=forest.n_trees,
            )
        ],
        parameters={},
        candidates=[],
        scores={},
    )
    write_bundle(path, contents, manifest)
