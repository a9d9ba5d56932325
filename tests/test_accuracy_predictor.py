"""The predictor of accuracies: scikit-learn's conventions, served bundles, and what it refuses."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

import acorn
from acorn.errors import InputError
from acorn.spaces import get_space
from tests.service.servers import serving

SHAPE = (3, 8, 8)


def network(width: int, depth: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))


def accuracy(width: int, depth: int) -> float:
    return 40.0 + 8 * np.log2(width) + 2 * depth


SIZES = [(width, depth) for width in (4, 6, 8, 12, 16) for depth in (0, 1, 2, 3)]
LABELLED = SIZES[::2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "features.sqlite"


@pytest.fixture(scope="module")
def fitted(cache: Path) -> acorn.AccuracyPredictor:
    predictor = acorn.AccuracyPredictor(SHAPE, 4, cache=cache)
    labels = [accuracy(*size) for size in LABELLED]
    return predictor.fit(
        [network(*size) for size in LABELLED], labels, population=[network(*s) for s in SIZES]
    )


def specs(n: int, seed: int = 0) -> list[dict[str, str]]:
    return [
        {"space": "nats_sss", "arch": arch} for arch in get_space("nats_sss").sample(n, seed=seed)
    ]


def widths(architectures: list[dict[str, str]]) -> list[float]:
    return [sum(map(int, a["arch"].split(":"))) / 5 for a in architectures]


def test_modules_are_ranked_with_intervals_and_explained(fitted: acorn.AccuracyPredictor) -> None:
    networks = [network(*size) for size in SIZES]
    labels = np.array([accuracy(*size) for size in SIZES])
    value = fitted.predict(networks)
    assert value.shape == labels.shape
    assert fitted.score(networks, labels) > 0.8
    lower, upper = fitted.predict_interval(networks)
    assert ((lower <= labels) & (labels <= upper)).mean() > 0.7
    narrow, _ = fitted.predict_interval(networks, level=0.5)
    assert (narrow > lower).all()
    found = fitted.explain(networks)["clean"]
    assert found.contributions.shape == (len(networks), len(fitted.feature_names_))
    assert found.baseline + found.contributions.sum(axis=1) == pytest.approx(value)


def test_networks_are_not_changed(fitted: acorn.AccuracyPredictor) -> None:
    given = network(8, 2).train()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    state = torch.get_rng_state()
    fitted.predict([given])
    assert torch.equal(torch.get_rng_state(), state)
    assert given.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in given.state_dict().items())


def test_features_are_computed_once(
    fitted: acorn.AccuracyPredictor, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = "SELECT COUNT(*) FROM rows"
    before = sqlite3.connect(cache).execute(count).fetchone()[0]
    assert before == len(SIZES)
    again = clone(fitted).fit(
        [network(*size) for size in LABELLED],
        [accuracy(*size) for size in LABELLED],
        population=[network(*size) for size in SIZES],
    )
    assert sqlite3.connect(cache).execute(count).fetchone()[0] == before
    asked = [network(*size) for size in SIZES]
    assert np.array_equal(again.predict(asked), fitted.predict(asked))
    fitted.predict([network(5, 1)])
    assert sqlite3.connect(cache).execute(count).fetchone()[0] == before + 1


def test_networks_that_differ_in_code_or_in_attributes_are_told_apart() -> None:
    from acorn.features.network_features import fingerprint

    class Branch(nn.Module):
        def __init__(self, times: object) -> None:
            super().__init__()
            self.layer, self.times = nn.Linear(2, 2), times

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + 1

    class Other(Branch):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + 2

    assert fingerprint(Branch([1])) == fingerprint(Branch([1])) is not None
    assert len({fingerprint(Branch([1])), fingerprint(Branch([2])), fingerprint(Other([1]))}) == 3
    assert fingerprint(Branch(object())) is None
    hooked = Branch(1)
    hooked.register_forward_hook(lambda *_: None)
    assert fingerprint(hooked) is None


def test_conventions_of_scikit_learn() -> None:
    predictor = acorn.AccuracyPredictor(SHAPE, 4, random_state=3, proxies=["params"], n_jobs=2)
    assert predictor.get_params() == {
        "input_shape": SHAPE,
        "num_classes": 4,
        "random_state": 3,
        "proxies": ["params"],
        "targets": None,
        "n_jobs": 2,
        "cache": True,
    }
    assert clone(predictor).get_params() == predictor.get_params()
    assert "random_state=3" in repr(predictor)
    with pytest.raises(NotFittedError):
        predictor.predict([network(4, 1)])


def test_specifications_become_a_bundle_that_is_served(tmp_path: Path) -> None:
    architectures = specs(30)
    predictor = acorn.AccuracyPredictor(cache=False)
    predictor.fit(architectures[:12], widths(architectures[:12]), population=architectures[12:])
    value = predictor.predict(architectures)
    assert np.corrcoef(value[12:], widths(architectures[12:]))[0, 1] > 0.9
    bundle = predictor.save(tmp_path / "mine")
    assert (bundle.name, bundle.space, bundle.dataset) == ("mine", "nats_sss", "cifar10")
    assert (tmp_path / "mine" / "MODEL_CARD.md").read_text().startswith("# mine ")
    loaded = acorn.load_bundle(tmp_path / "mine").predict([*architectures, *specs(3, seed=9)])
    assert np.array_equal(loaded["clean"].value[:30], value)


def test_modules_and_proxies_become_a_bundle_for_all_spaces(tmp_path: Path) -> None:
    architectures = specs(12)
    networks: list[Any] = [acorn.build_network(spec) for spec in architectures[:6]]
    predictor = acorn.AccuracyPredictor(cache=False)
    predictor.fit(networks + architectures[6:], widths(architectures))
    assert predictor.save(tmp_path / "any").space == "universal"
    loaded = acorn.load_bundle(tmp_path / "any").predict(architectures)["clean"]
    assert np.array_equal(loaded.value, predictor.predict(architectures))
    assert np.array_equal(loaded.value[:6], predictor.predict(networks))


def test_rows_of_features_with_several_targets(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    rows = [dict(zip("abc", map(float, row), strict=True)) for row in X]
    Y = np.column_stack([70 + 5 * X[:, 0], 30 + 4 * X[:, 0] + X[:, 1]])
    few = Y[:40].copy()
    few[8:, 1] = np.nan
    predictor = acorn.AccuracyPredictor(targets=["clean", "pgd_linf_1.0"])
    predictor.fit(rows[:40], few, population=rows[40:])
    value = predictor.predict(rows[40:])
    lower, upper = predictor.predict_interval(rows[40:])
    assert value.shape == lower.shape == upper.shape == (20, 2)
    assert (lower < value).all()
    assert (value < upper).all()
    # Eight robust labels alone say less than with the clean labels of the same networks.
    assert np.corrcoef(value[:, 1], Y[40:, 1])[0, 1] > 0.9
    with pytest.raises(InputError, match="got 3 features such as 'a'; expected those that a serv"):
        predictor.save(tmp_path / "rows")
    with pytest.raises(InputError, match="got features without 'b'"):
        predictor.predict([{"a": 1.0}])


def test_without_labels_networks_are_ranked(tmp_path: Path, cache: Path) -> None:
    architectures = specs(30)
    predictor = acorn.AccuracyPredictor(cache=cache)
    value = predictor.fit(architectures[:25], None, architectures[25:]).predict(architectures)
    lower, upper = predictor.predict_interval(architectures)
    assert np.corrcoef(value, widths(architectures))[0, 1] > 0.7
    assert (value.min() < 10, value.max() > 90) == (True, True)
    assert ((lower >= 0) & (lower < value) & (value < upper) & (upper <= 100)).all()
    bundle = predictor.save(tmp_path / "ranks")
    assert bundle.describe("clean").scale == "rank"
    assert bundle.manifest.functions == len(bundle.training_set) == 0
    assert len(bundle.table) == 30
    loaded = acorn.load_bundle(tmp_path / "ranks").predict(architectures)["clean"]
    assert np.array_equal(loaded.value, value)
    only = clone(predictor).fit([], population=architectures)
    assert np.array_equal(only.predict(architectures), value)


def test_modules_are_ranked_without_labels(cache: Path) -> None:
    modules: list[Any] = [network(*size) for size in SIZES]
    predictor = acorn.AccuracyPredictor(SHAPE, 4, cache=cache).fit(modules)
    assert np.corrcoef(predictor.predict(modules), [accuracy(*s) for s in SIZES])[0, 1] > 0.7


SIX: list[Any] = specs(6)
SIX_LABELS = [90.0, 91.0, 92.0, 93.0, 94.0, 95.0]


@pytest.mark.parametrize(
    ("networks", "accuracies", "message"),
    [
        (SIX[:4], SIX_LABELS[:4], "got 4 networks with accuracies .clean.; expected 5 or more"),
        (SIX, SIX_LABELS[:5], "expected as many accuracies as networks"),
        (SIX, [*SIX_LABELS[:5], np.nan], "got an accuracy of nan .clean.; expected from 0 to 100"),
        (SIX, [*SIX_LABELS[:5], 101], "got an accuracy of 101 .clean.; expected from 0 to 100"),
        (SIX, ["a"] * 6, "expected numbers"),
        (SIX, np.ones((6, 2)), "got 2 columns of accuracies and targets .'clean'."),
        ([*SIX[:5], {"space": "x", "arch": "1"}], SIX_LABELS, "network 5: unknown space 'x'"),
        ([*SIX[:5], {"space": "nats_sss"}], SIX_LABELS, "network 5: .*mapping of space and arch"),
        ([*SIX[:5], 3], SIX_LABELS, "network 5: got 3; expected a torch.nn.Module"),
        ([{"a": "x"}] * 6, SIX_LABELS, "network 0: got the feature 'a': 'x'; expected a number"),
        (SIX[0], SIX_LABELS, "expected a list of networks"),
        (SIX, None, "got 6 architectures with features; expected 20 or more to rank among"),
        ([], None, "got no networks; expected those to rank"),
    ],
)
def test_bad_input_is_one_clear_error(
    networks: list[Any], accuracies: NDArray[Any] | list[Any] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        acorn.AccuracyPredictor(cache=False).fit(networks, accuracies, population=[])
    assert "\n" not in str(raised.value)


GREY = (1, 16, 16)
"""Shape of images that no registered dataset has."""


def grey_graph(width: int, depth: int) -> dict[str, Any]:
    """Declare :func:`grey_network` as a specification."""
    nodes: list[dict[str, Any]] = []
    last = "input"
    for i in range(depth + 1):
        convolution = {"out_channels": width, "kernel": 3, "padding": 1}
        nodes += [
            {"name": f"conv{i}", "op": "conv", "inputs": [last], **convolution},
            {"name": f"act{i}", "op": "relu", "inputs": [f"conv{i}"]},
        ]
        last = f"act{i}"
    nodes += [
        {"name": "pool", "op": "global_avg_pool", "inputs": [last]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "logits", "op": "linear", "inputs": ["flat"], "out_features": "classes"},
    ]
    return {"space": "graph", "arch": {"nodes": nodes, "output": "logits"}}


def grey_network(width: int, depth: int) -> nn.Module:
    layers: list[nn.Module] = []
    for i in range(depth + 1):
        layers += [nn.Conv2d(width if i else 1, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> tuple[acorn.AccuracyPredictor, Path]:
    """A predictor for modules on images of no registered dataset, and the folder of its bundle."""
    predictor = acorn.AccuracyPredictor(GREY, 10, proxies=["synflow"], cache=False)
    labels = [accuracy(*size) for size in LABELLED]
    networks = [grey_network(*size) for size in LABELLED]
    predictor.fit(networks, labels, population=[grey_network(*size) for size in SIZES])
    folder = tmp_path_factory.mktemp("grey") / "forests"
    predictor.save(folder / "grey")
    return predictor, folder


def test_images_of_no_registered_dataset(grey: tuple[acorn.AccuracyPredictor, Path]) -> None:
    predictor, folder = grey
    loaded = acorn.load_bundle(folder / "grey")
    assert (loaded.bundle.space, loaded.bundle.dataset) == ("universal", "1x16x16-10")
    graphs = [grey_graph(*size) for size in SIZES[:4]]
    predicted = loaded.predict(graphs)["clean"].value
    assert np.array_equal(predicted, predictor.predict(graphs))
    assert len(set(predicted)) > 1
    cell = {"space": "nats_sss", "arch": "8:8:8:8:8"}
    with pytest.raises(InputError, match="spec 0: unknown dataset '1x16x16-10'; expected one of"):
        loaded.predict([cell])


@pytest.mark.slow
def test_a_server_answers_for_images_of_no_registered_dataset(
    grey: tuple[acorn.AccuracyPredictor, Path], tmp_path: Path
) -> None:
    predictor, forests = grey
    graphs = [grey_graph(*size) for size in SIZES[:3]]
    expected = predictor.predict(graphs).tolist()
    with serving(tmp_path, forests, "--device", "cpu") as server:
        server.until_ready()
        for fields in ({}, {"dataset": "1X16x16-10"}, {"forest": "grey"}):
            response = server.post("/predict", json={"architectures": graphs, **fields})
            assert response.status_code == 200, response.text
            answers = response.json()["predictions"]
            assert [answer["targets"]["clean"]["value"] for answer in answers] == expected
            assert {answer["submitted"]["params"] for answer in answers} == {
                sum(map(torch.numel, grey_network(*size).parameters())) / 1e6 for size in SIZES[:3]
            }
        (forest,) = server.get("/forests").json()["forests"]
        assert forest["dataset"] == "1x16x16-10"
        cell = {"space": "nats_sss", "arch": "8:8:8:8:8"}
        response = server.post("/predict", json={"architectures": [cell]})
        assert response.status_code == 422
        assert "no forest for nats_sss" in response.json()["errors"][0]["detail"]
