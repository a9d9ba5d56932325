"""Under which key an answer is kept: no two requests with different answers have the same one."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest

from acorn.schemas.jobs import JobOptions
from acorn.schemas.predict_options import Options, PredictOptions
from acorn.schemas.prediction import ArchitectureSpec, PredictRequest
from acorn.schemas.proxies import ProxyOptions, ProxyOptionValues
from acorn.spaces import get_space
from service.http.app import create_app
from service.jobs.submission import OPTIONS, digest
from service.prediction.cases import Case
from service.prediction.plan import RESOLVED, Plan
from service.settings import Settings

CELL = get_space("nats_tss").parse(get_space("nats_tss").example)
REQUEST = PredictRequest.model_validate(
    {"architectures": [{"space": "nats_tss", "arch": CELL.arch}], "targets": ["clean"]}
)


def plan(request: PredictRequest = REQUEST, *, forest_digest: str = "a" * 64) -> Plan:
    forest: Any = SimpleNamespace(digest=forest_digest)
    case = Case(CELL.space, CELL.arch, CELL.canonical, {}, CELL.id, CELL.id)
    return Plan(request, [case], {case.key: case}, forest, ("clean",))


def key(request: PredictRequest) -> object:
    return plan(request).key(CELL.id)


@pytest.mark.parametrize("name", sorted(PredictRequest.model_fields.keys() - RESOLVED))
def test_every_option_is_in_the_key(name: str) -> None:
    for other in ("another value", ["one"], {"image_size": 288}, None):
        if other != getattr(REQUEST, name):
            assert key(REQUEST.model_copy(update={name: other})) != key(REQUEST)


class WiderRequest(PredictRequest):
    recipe: dict[str, int] | None = None
    tests: tuple[str, ...] = ()


def test_a_field_that_is_added_is_in_the_key() -> None:
    document = REQUEST.model_dump()
    keys = [
        key(WiderRequest.model_validate(document | fields))
        for fields in (
            {},
            {"recipe": {"image_size": 288}},
            {"recipe": {"image_size": 224}},
            {"tests": ("one",)},
            {"tests": ("one", "two")},
        )
    ]
    assert len({*keys}) == len(keys)


class OpenRequest(PredictRequest):
    extra: Any


@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), ("1", 1), ("None", None)])
def test_values_that_python_calls_equal_are_told_apart(one: object, other: object) -> None:
    document = REQUEST.model_dump()
    assert key(OpenRequest(**document, extra=one)) != key(OpenRequest(**document, extra=other))


def test_what_the_resolved_fields_came_to_is_in_the_key() -> None:
    assert {*PredictRequest.model_fields} > RESOLVED
    same = plan()
    assert same.key(CELL.id) == plan().key(CELL.id)
    assert same.key("nats_tss/other") != same.key(CELL.id)
    assert plan(forest_digest="b" * 64).key(CELL.id) != same.key(CELL.id)
    assert replace(same, targets=("clean", "pgd_linf_1.0")).key(CELL.id) != same.key(CELL.id)


def test_an_architecture_has_nothing_but_its_id_and_conditions_to_tell_it_by() -> None:
    # Whatever else an item may say has to be in Plan.key, and in what Plan.distinct goes by.
    assert {*ArchitectureSpec.model_fields} == {"space", "arch", "conditions"}


@pytest.mark.parametrize("spelt_out", [{"dataset": "cifar10"}, {"forest": "nats_tss-cifar10"}])
def test_spelling_out_what_is_the_default_costs_no_answer(spelt_out: dict[str, str]) -> None:
    assert key(REQUEST.model_copy(update=spelt_out)) == key(REQUEST)


def test_jobs_take_every_option_in_the_query() -> None:
    of_predictions = PredictRequest.model_fields.keys() - {"architectures"}
    assert {*OPTIONS} == of_predictions | ProxyOptions.model_fields.keys() | {"kind"}
    with_option = {digest(b"", "application/x-ndjson", {name: "x"}) for name in OPTIONS}
    assert len(with_option | {digest(b"", "application/x-ndjson", {})}) == len(OPTIONS) + 1


def test_the_routes_and_the_client_know_every_option(tmp_path: Any) -> None:
    paths = create_app(Settings(database_url="sqlite://", forests=tmp_path)).openapi()["paths"]
    parameters = paths["/jobs"]["post"]["parameters"]
    assert {each["name"] for each in parameters if each["in"] == "query"} == {*OPTIONS}
    assert get_type_hints(JobOptions).keys() == {*OPTIONS}
    assert get_type_hints(Options).keys() == PredictOptions.model_fields.keys()
    assert get_type_hints(ProxyOptionValues).keys() == ProxyOptions.model_fields.keys()
