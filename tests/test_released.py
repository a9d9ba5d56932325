"""The released bundles: sound, small, complete, and of the features that a worker computes."""

import tomllib
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.extractor import FeatureExtractor
from acorn.forests import Bundle
from acorn.proxies import SETS, list_proxies
from acorn.schemas.prediction import PredictRequest
from acorn.spaces import UNIVERSAL, get_space
from service.repository.model_repository import Snapshot
from service.repository.served_bundle import ServedBundle

ROOT = Path(__file__).parents[1]
RELEASED = sorted((ROOT / "models/released").iterdir())
FOLDER = ROOT / "models/released/nats_tss-cifar10"
SPACE = get_space("nats_tss")
MEGABYTE = 1 << 20


@cache
def ids_of_all(space: str) -> frozenset[str]:
    """Identifiers of all architectures of a space."""
    return frozenset(get_space(space).parse(arch).id for arch in get_space(space).enumerate())


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(FOLDER)


def test_size() -> None:
    files = [path for folder in RELEASED for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) < 200 * MEGABYTE


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=[pytest.mark.slow] * folder.name.startswith("nats_sss"))
        for folder in RELEASED
    ],
    ids=lambda folder: folder.name,
)
def test_every_bundle_is_sound(folder: Path) -> None:
    bundle = Bundle.load(folder)
    assert bundle.name == folder.name
    assert folder.name.removesuffix("-proxies") == f"{bundle.space}-{bundle.dataset}"
    dataset = get_dataset(bundle.dataset)
    settings = FeatureExtractor(
        dataset, embedded_batch(dataset, size=bundle.table.settings.batch_size)
    ).settings
    assert settings == bundle.table.settings  # else nothing could be computed for it
    X = bundle.table_matrix()
    in_domain, _ = bundle.outliers(X)
    assert in_domain.mean() > 0.94
    for value, lower, upper in bundle.predict(X[:50]).values():
        assert ((lower <= value) & (value <= upper)).all()
    if bundle.space == UNIVERSAL:
        spaces = {id_.partition("/")[0] for id_ in bundle.table.ids}
        expected = {"cifar10": {"nats_tss", "nats_sss"}, "imagenet1k": {"timm"}}
        assert spaces >= expected[bundle.dataset]
    elif bundle.manifest.ranks:
        assert get_space(bundle.space).size is None  # else there would be labels
    else:
        assert set(bundle.table.ids) == ids_of_all(bundle.space)


def test_targets(bundle: Bundle) -> None:
    attacks = [
        f"{attack}_linf_{eps}"
        for attack in ("fgsm", "pgd", "apgd_ce", "square")
        for eps in ("0.5", "1.0", "2.0", "4.0", "8.0")
    ]
    adversarial = [
        f"adv.{name}" for name in ("clean", "pgd_linf_3", "pgd_linf_8", "autoattack_linf_8")
    ]
    assert {"clean", *attacks, *adversarial} <= set(bundle.targets)
    assert sum(target.startswith("corruption_") for target in bundle.targets) == 15


def test_table_has_every_function(bundle: Bundle) -> None:
    ids = ids_of_all("nats_tss")
    assert set(bundle.table.ids) == ids
    assert len(ids) == 4_660
    assert set(bundle.feature_names) <= set(bundle.table.feature_names)


def test_settings_are_those_of_a_fresh_clone(bundle: Bundle) -> None:
    """What serves a new architecture is the batch that the forest was trained on."""
    dataset = get_dataset("cifar10")
    extractor = FeatureExtractor(
        dataset, embedded_batch(dataset, size=bundle.table.settings.batch_size)
    )
    assert extractor.settings == bundle.table.settings
    assert bundle.settings == asdict(extractor.settings)


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (2_222, 4_444))]
)
def test_rows_are_what_a_worker_computes(bundle: Bundle, number: int) -> None:
    dataset = get_dataset("cifar10")
    batch = embedded_batch(dataset, size=bundle.table.settings.batch_size)
    proxies = set(list_proxies()).intersection(bundle.table.feature_names)
    assert proxies >= SETS["classic"]
    extractor = FeatureExtractor(dataset, batch, proxies=sorted(proxies))
    id_ = bundle.table.ids[number]
    computed = extractor.compute(SPACE, id_.partition("/")[2])
    row = bundle.table.row(id_)
    assert row is not None
    # Tables of earlier versions lack columns that were added since.
    assert computed.values.keys() >= row.values.keys()
    noisy = {"grasp", "plain", "epe_nas"}  # sums of both signs, or logs of what is near zero
    for name, value in row.values.items():
        if name not in noisy:
            assert computed.values[name] == pytest.approx(value, rel=2e-2, abs=1e-6), name


def test_every_function_has_its_proxies(bundle: Bundle) -> None:
    proxies = set(list_proxies()).intersection(bundle.table.feature_names)
    missing = np.isnan(bundle.table.matrix(sorted(proxies))).sum(axis=0)
    assert missing.max() <= 1  # the function without any path has no signal to measure


def test_twins_of_the_whole_space_are_known(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)
    in_domain, score = bundle.outliers(X)
    assert in_domain.mean() > 0.94
    assert ((score >= 0) & (score <= 1)).all()
    predicted = bundle.predict(X, targets=["clean", "adv.pgd_linf_8"])
    for value, lower, upper in predicted.values():
        assert (lower <= value).all()
        assert (value <= upper).all()
        assert np.isfinite(value).all()
    clean, adversarial = (predicted[name].value for name in ("clean", "adv.pgd_linf_8"))
    assert clean.max() > 90 > adversarial.max()


def test_a_random_forest_on_proxies_alone() -> None:
    proxies = Bundle.load(ROOT / "models/released/nats_tss-cifar10-proxies")
    assert set(proxies.table.feature_names) == set(proxies.feature_names) <= set(list_proxies())
    assert len(proxies.feature_names) == 30
    assert proxies.targets == ("clean",)
    assert proxies.manifest.parameters["algorithm"] == "random_forest"
    assert proxies.manifest.parameters["composition"] in ("both", "joint")
    tau = proxies.manifest.scores["clean"]["kendall_tau"]
    assert tau is not None
    assert tau > 0.87
    size = sum(path.stat().st_size for path in (ROOT / "models/released" / proxies.name).iterdir())
    assert size < 3 * MEGABYTE


def test_the_forest_on_structure_answers_unless_another_is_named() -> None:
    names = ("nats_tss-cifar10-proxies", "nats_tss-cifar10")
    folders = [ROOT / "models/released" / name for name in names]
    snapshot = Snapshot([ServedBundle(Bundle.load(folder), folder) for folder in folders])
    arch = SPACE.parse(SPACE.example)
    for fields, expected in (
        ({}, "nats_tss-cifar10"),
        ({"dataset": "cifar10"}, "nats_tss-cifar10"),
        ({"forest": "nats_tss-cifar10-proxies"}, "nats_tss-cifar10-proxies"),
    ):
        specs = [{"space": "nats_tss", "arch": SPACE.example}]
        request = PredictRequest.model_validate({"architectures": specs, **fields})
        served, errors = snapshot.choose(request, {0: arch})
        assert not errors
        assert served is not None
        assert served.name == expected


def test_package_and_bundle_have_one_version(bundle: Bundle) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert bundle.version == project["version"]
