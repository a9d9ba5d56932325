import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import (
    Bundle,
    Intervals,
    Manifest,
    OutlierDetector,
    PackedForest,
    TrainingSet,
    write_bundle,
)
from acorn.forests.manifest import SCHEMA_VERSION, ForestEntry, LabelSource

SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
TARGETS = ["clean", "pgd_linf_1.0", "adv.pgd_linf_8"]
FEATURES = [f"f{i}" for i in range(6)]


def write(out: Path) -> Bundle:
    """Two forests over three targets: `clean` is in both, each reads its own columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, len(FEATURES))).astype(np.float32)
    Y = 50 + 10 * X[:, :3] + rng.normal(size=(80, 3))
    table = FeatureTable.from_rows(
        (
            FeatureRow(f"space/{i}", dict(zip(FEATURES, map(float, row), strict=True)))
            for i, row in enumerate(X)
        ),
        SETTINGS,
    )
    forests, entries = {}, []
    for number, (columns, outputs) in enumerate([([0, 1, 2, 3, 4], [0, 1, 2]), ([5, 0, 2], [0])]):
        labels = Y if len(outputs) > 1 else Y[:, 0]
        grown = ExtraTreesRegressor(8 + number, random_state=0).fit(X[:, columns], labels)
        forests[f"forest-{number}.safetensors"] = PackedForest.from_sklearn(grown)
        targets = [TARGETS[output] for output in outputs]
        name = f"forest-{number}.safetensors"
        entries.append(ForestEntry(file=name, features=columns, targets=targets, trees=8 + number))
    out.parent.mkdir(exist_ok=True)
    table.write(out.parent / "table.parquet")
    contents = {name: forest.to_bytes() for name, forest in forests.items()} | {
        "features.parquet": (out.parent / "table.parquet").read_bytes(),
        "intervals.safetensors": Intervals.fit(
            rng.normal(size=(80, 3)), np.full((80, 3), 50.0), rng.random((80, 3))
        ).to_bytes(),
        "domain.safetensors": OutlierDetector.fit(X, seed=0).to_bytes(),
        "seen.safetensors": TrainingSet.of(table.ids[:40]).to_bytes(),
        "importances.json": json.dumps(
            {t: [{"feature": "f0", "importance": 0.5, "std": 0.1}] for t in TARGETS}
        ).encode(),
        "MODEL_CARD.md": b"# A card\n",
    }
    manifest = Manifest.model_construct(
        schema_version=SCHEMA_VERSION,
        name="space-cifar10",
        version="1",
        space="space",
        dataset="cifar10",
        created=datetime(2026, 11, 21, tzinfo=UTC),
        files={},
        targets=TARGETS,
        features=FEATURES,
        settings=asdict(SETTINGS),
        libraries={},
        labels=[LabelSource(file="l.parquet", prefix="", rows=80, sha256="0" * 64)],
        functions=80,
        forests=entries,
        parameters={},
        candidates=[],
        scores={},
    )
    return write_bundle(out, contents, manifest)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle; not to be changed."""
    out = tmp_path_factory.mktemp("bundles") / "space-cifar10"
    write(out)
    return out


@pytest.fixture
def bundle(sound: Path) -> Bundle:
    return Bundle.load(sound)


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """A bundle to spoil."""
    return shutil.copytree(sound, tmp_path / "copy")
