"""Whatever JSON is sent, it is understood or every bad item of it is pointed at."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spaces import get_space
from service.parsing import parse_request
from service.problems import InvalidRequestError

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
        parsed = parse_request(document, max_architectures=10)
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
    parsed = parse_request({"architectures": architectures}, max_architectures=11)
    assert [item.pointer for item in parsed.errors] == [f"/architectures/{place}/arch"]
    assert sorted({*parsed.architectures, place}) == [*range(len(architectures))]


def test_a_list_that_is_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request({"architectures": ["wrong"] * 11, "no": 1}, max_architectures=10)
    assert [item.pointer for item in caught.value.errors] == ["/architectures"]
