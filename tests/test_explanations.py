"""Similar and changed architectures of released bundles and of spaces that know no neighbours."""

import pytest

import acorn
from acorn.bundle_predictor import BundlePredictor
from acorn.explanations import Changes, Neighbourhood, best_changes, changes
from acorn.forests import Bundle
from acorn.forests.released import find_bundle
from acorn.spaces import get_space


@pytest.fixture(scope="module")
def sizes() -> Bundle:
    return Bundle.load(find_bundle("nats_sss-cifar10"))


def changes_of(bundle: Bundle, id_: str) -> Changes:
    predicted = bundle.predict(bundle.table_matrix([id_]))
    return best_changes(bundle, id_, {name: float(p.value[0]) for name, p in predicted.items()})


def test_all_neighbours_of_a_table_are_compared(sizes: Bundle) -> None:
    found = changes_of(sizes, "nats_sss/48:56:64:24:40")
    assert (found.neighbours, found.compared, found.reason) == (35, 35, None)
    change = found.best["clean"]
    assert change is not None
    assert change.change == "layer 4: 24 to 64 channels"
    assert change.arch == "48:56:64:64:40"
    ids = [f"nats_sss/{n.arch}" for n in get_space("nats_sss").neighbours("48:56:64:24:40")]
    predicted = sizes.predict(sizes.table_matrix(ids))["clean"]
    assert change.prediction == tuple(part[predicted.value.argmax()] for part in predicted)


def test_no_edit_improves_a_local_optimum(sizes: Bundle) -> None:
    ids = sizes.table.ids
    values = sizes.predict(sizes.table_matrix())["clean"].value
    best = changes_of(sizes, ids[int(values.argmax())])
    assert best.best == {"clean": None}
    assert best.compared == 35


def test_columns_stand_in_for_rows_that_the_table_lacks(
    sizes: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = "nats_sss/8:16:24:32:40"
    known = changes_of(sizes, id_)
    monkeypatch.setattr(sizes.table, "row", lambda _id: None)
    assert changes_of(sizes, id_) == known


def test_spaces_without_neighbours_say_so() -> None:
    ranks = Bundle.load(find_bundle("darts-cifar10"))
    found = changes_of(ranks, ranks.table.ids[0])
    assert (found.neighbours, found.compared, found.best) == (None, 0, {})
    assert found.reason == "the space darts does not list architectures one edit away"


def test_too_many_edits_are_not_compared(sizes: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_EDITS", 35)
    assert changes_of(sizes, "nats_sss/8:8:8:8:8").compared == 35
    monkeypatch.setattr(changes, "MOST_EDITS", 34)
    found = changes_of(sizes, "nats_sss/8:8:8:8:8")
    assert found == Changes(None, 0, {}, "more than 34 architectures are one edit away")


def test_the_nearest_of_a_forest_without_labels_are_of_its_population() -> None:
    ranks = Bundle.load(find_bundle("darts-cifar10"))
    ids = ranks.table.ids[:5]
    found = Neighbourhood(ranks).nearest(ranks.table_matrix(ids), ids)
    for id_, nearest in zip(ids, found, strict=True):
        assert len(nearest) == 3
        assert all(each.id != id_ and not each.is_labelled for each in nearest)


def test_the_nearest_of_real_networks_are_predicted_under_the_same_conditions() -> None:
    predictor = acorn.load_bundle("universal-imagenet1k")
    spec = {"space": "timm", "arch": "resnet50"}
    conditions = {"pretraining": "imagenet_22k"}
    (nearest,) = predictor.nearest([spec], ["clean"], conditions=conditions)
    assert len({each.id for each in nearest} - {"timm/resnet50"}) == 3
    for each in nearest:
        space, _, arch = each.id.partition("/")
        again = {"space": space, "arch": arch, "conditions": each.conditions}
        alone = predictor.predict([again], ["clean"])["clean"]
        assert each.predicted["clean"] == tuple(part[0] for part in alone)


def test_a_predictor_explains_specs(sizes: Bundle) -> None:
    predictor = BundlePredictor(sizes)
    spec = {"space": "nats_sss", "arch": "48:56:64:24:40"}
    assert predictor.best_changes([spec]) == [changes_of(sizes, "nats_sss/48:56:64:24:40")]
    X, ids = predictor.features([spec])
    assert predictor.nearest([spec]) == Neighbourhood(sizes).nearest(X, ids)
