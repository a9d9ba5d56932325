"""Strict JSON: what is refused, with which status, and where the pointer points."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acorn.strict_json import MAX_DEPTH
from service.errors import InvalidRequestError, MalformedBodyError
from service.prediction.plan import parse_json

finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | finite | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(documents)
def test_json_is_read_as_it_is(document: object) -> None:
    assert parse_json(json.dumps(document, ensure_ascii=False).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    document: object = None
    with contextlib.suppress(MalformedBodyError, InvalidRequestError):
        document = parse_json(body)
    if document is not None:
        assert json.loads(body) == document


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1,]", b"{'a': 1}", b"\xff", b"\xef\xbb\xbf{}", b"1 2", b"9" * 5_000],
    ids=str,
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        parse_json(body)


@pytest.mark.parametrize("body", [b'{"a": 1, "b": 2, "a": 1}', rb'[{"\u0061": 1, "a": 2}]'])
def test_a_key_that_is_given_twice_is_named(body: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="'a' twice"):
        parse_json(body)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_found_wherever_they_are(number: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(f'{{"a": [1, {{"b/c~d": {number}}}], "e": {number}}}'.encode())
    assert [item.pointer for item in caught.value.errors] == ["/e", "/a/1/b~1c~0d"]


def test_the_largest_number_is_one() -> None:
    assert parse_json(b"[1e308]") == [1e308]
    assert math.isfinite(1e308)


def test_lone_surrogates_are_not_text() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(rb'{"a": "\ud800", "\udfff": 1, "b": "\ud83d\ude00"}')
    assert [item.pointer for item in caught.value.errors] == ["", "/a"]
    assert parse_json(rb'"\ud83d\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting(depth: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    with pytest.raises(MalformedBodyError, match="nested deeper"):
        parse_json(f"{opening * depth}1{closing * depth}".encode())


def test_nesting_up_to_the_limit() -> None:
    depth = MAX_DEPTH - 1
    parse_json(b"[" * depth + b"1" + b"]" * depth)
