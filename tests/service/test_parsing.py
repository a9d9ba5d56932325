"""Whatever JSON is sent, it is understood or every bad item of it is pointed at."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from acorn.schemas.prediction import ArchitectureSpec, PredictRequest
from acorn.spaces import get_space
from service.errors import InvalidRequestError
from service.prediction.plan import parse_request

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
spaces = st.sampled_from(["nats_tss", "nats_sss", "graph"]) | anything
cells = st.sampled_from(get_space("nats_tss").sample(50, seed=0))
specs = st.fixed_dictionaries({"space": spaces, "arch": cells | anything}) | anything
requests = st.fixed_dictionaries(
    {"architectures": st.lists(specs, max_size=5) | anything},
    optional={
        "dataset": anything,
        "targets": anything,
        "interval": anything,
        "explain": anything,
        "forest": anything,
        "features": anything,
        "other": anything,
    },
)


def resolve(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


@given(requests | anything)
def test_pointers_lead_to_what_is_wrong(document: Any) -> None:
    try:
        parsed = parse_request(document, PredictRequest, max_architectures=10)
    except InvalidRequestError as error:
        items = error.errors
    else:
        items = parsed.errors
        count = len(parsed.request.architectures)
        assert len(parsed.architectures) + len(items) == count > 0
    for item in items:
        assert "\n" not in item.detail
        assert len(item.detail) < 1_000
        if item.detail != "this field is required":
            resolve(document, item.pointer)


@given(st.lists(cells, min_size=1, max_size=10), st.data())
def test_one_bad_item_anywhere_is_found(known: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(known)))
    architectures = [{"space": "nats_tss", "arch": cell} for cell in known]
    architectures.insert(place, {"space": "nats_tss", "arch": "wrong"})
    parsed = parse_request({"architectures": architectures}, PredictRequest, max_architectures=11)
    assert [item.pointer for item in parsed.errors] == [f"/architectures/{place}/arch"]
    assert sorted({*parsed.architectures, place}) == [*range(len(architectures))]


@pytest.mark.parametrize(
    ("space", "spec", "same_as"),
    [
        ("nats_tss", 1462, "1462"),
        ("nats_tss", 0, "0"),
        ("nats_tss", [4, 0, 3, 1, 4, 3], "(4, 0, 3, 1, 4, 3)"),
        ("nats_sss", [64, 64, 64, 64, 64], "64:64:64:64:64"),
        ("nats_sss", 32_767, "64:64:64:64:64"),
    ],
)
def test_integers_and_lists_reach_the_space(space: str, spec: object, same_as: str) -> None:
    document = {"architectures": [{"space": space, "arch": each} for each in (spec, same_as)]}
    parsed = parse_request(json.loads(json.dumps(document)), PredictRequest, max_architectures=2)
    assert not parsed.errors
    assert parsed.architectures[0] == parsed.architectures[1]


@pytest.mark.parametrize("space", ["nats_tss", "nats_sss", "nasbench_macro", "darts", "graph"])
@pytest.mark.parametrize(
    "spec",
    [
        *(True, False, None, 1.0, 1462.5),
        *(-1, 40_000, 10**400),
        *([], [True] * 5, [True] * 6, [64.0] * 5, ["64"] * 5, [None], [[64] * 5], [8] * 1_000),
        *({}, {"arch": 5}),
    ],
    ids=lambda spec: str(spec)[:20],
)
def test_what_is_no_architecture_is_pointed_at(space: str, spec: object) -> None:
    document = {"architectures": [{"space": space, "arch": spec}]}
    try:
        items = parse_request(document, PredictRequest, max_architectures=1).errors
    except InvalidRequestError as error:
        items = error.errors
    assert [item.pointer for item in items] == ["/architectures/0/arch"]
    assert len(items[0].detail) < 1_000


def test_the_schema_says_what_an_architecture_may_be() -> None:
    schema = ArchitectureSpec.model_json_schema()["properties"]["arch"]
    kinds = [each["type"] for each in schema["anyOf"]]
    assert kinds == ["string", "integer", "array", "object"]
    widths: Any = (8, 8, 8, 8, 8)
    assert ArchitectureSpec(space="nats_sss", arch=widths).arch == [*widths]
    for wrong in (True, None, 1.5):
        with pytest.raises(ValidationError, match="a string, an integer, a list or an object"):
            ArchitectureSpec(space="nats_sss", arch=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("cifar10", "cifar10"),
        ("CIFAR10", "cifar10"),
        ("cifar-10", "cifar10"),
        ("Cifar_100", "cifar100"),
        ("imagenet16-120", "ImageNet16-120"),
        ("mnist", "mnist"),  # the repository refuses it, and says what there is
        ("x" * 1_000, "x" * 1_000),
    ],
)
def test_a_dataset_is_read_as_its_own_spelling(name: str, canonical: str) -> None:
    document = {"architectures": [{"space": "nats_tss", "arch": 0}], "dataset": name}
    assert parse_request(document, PredictRequest, max_architectures=1).request.dataset == canonical


def test_a_list_that_is_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(
            {"architectures": ["wrong"] * 11, "no": 1}, PredictRequest, max_architectures=10
        )
    assert [item.pointer for item in caught.value.errors] == ["/architectures"]
