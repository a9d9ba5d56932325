"""Names, sets, and the page that says which proxy reads which pass."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from acorn.errors import UnknownProxyError
from acorn.proxies import SETS, list_proxies, select
from acorn.proxies._engine.observers import Observer
from acorn.proxies._engine.pass_registry import PASSES, define_pass
from acorn.proxies._engine.records import Records
from benchmarks.passes import PAGE, proxy_table, with_tables


def test_sets() -> None:
    assert len(select("classic")) == 14
    assert [proxy.name for proxy in select("classic")] == sorted(SETS["classic"])
    assert [proxy.name for proxy in select("all")] == list_proxies()
    assert select(["classic", "meco", "snip"]) == select([*SETS["classic"], "meco"])
    assert select([]) == []


def test_unknown_names_are_told_the_sets_too() -> None:
    with pytest.raises(UnknownProxyError, match=r"'nope'; expected one of all, .*classic"):
        select("nope")


def test_every_proxy_has_a_file_and_a_test_of_its_name() -> None:
    here = Path(__file__).parent
    classic = SETS["classic"]
    for name in list_proxies():
        (proxy,) = select(name)
        assert proxy.definition.__module__ == f"acorn.proxies.{name}"
        shared = name in classic or name.startswith("evolved_")  # one file tests all of these
        assert shared or (here / f"test_{name}.py").exists(), name


@pytest.mark.parametrize("name", sorted(set(list_proxies()) - SETS["classic"]))
def test_documentation_says_source_cost_and_choices(name: str) -> None:
    (proxy,) = select(name)
    text = proxy.definition.__doc__ or ""
    assert proxy.summary.endswith(".")
    assert "Source: " in text or name == "local_entropy"
    assert "ost" in text or name in ("croze_ascent",), name


def test_passes_continue_a_registered_pass_that_comes_before_them() -> None:
    order = [*PASSES.values()]
    for pass_ in order:
        if pass_.after is not None:
            assert order.index(pass_.after) < order.index(pass_)
    assert [pass_.name for pass_ in order] == [*PASSES]
    with pytest.raises(ValueError, match="'loss' is registered twice"):
        define_pass("loss", PASSES["loss"].run, after=None, cost=0.0)


def test_each_record_is_filled_by_one_pass() -> None:
    filled = [field for pass_ in PASSES.values() for field in pass_.fills]
    given = {"labels", "num_classes", "spectra"}
    assert sorted(filled) == sorted({field.name for field in fields(Records)} - given)


def test_observers_read_passes_that_show_them_something() -> None:
    methods = {method for method in vars(Observer) if method.startswith("on_")}
    for proxy in select():
        if isinstance(proxy.definition, type):
            own = {m for m in methods if getattr(proxy.definition, m) is not getattr(Observer, m)}
            assert own <= {method for pass_ in proxy.reads for method in pass_.shows}, proxy.name


def test_the_page_has_the_tables_of_the_registry() -> None:
    text = PAGE.read_text("utf-8")
    assert with_tables(text) == text, "run python -m benchmarks.passes --page"
    assert all(f"| `{name}`" in text for name in [*list_proxies(), *PASSES])


def test_the_tables_follow_the_registry() -> None:
    (params,) = select("params")
    other = replace(params, name="another", reads=(PASSES["hessian"],), unstable=True)
    assert "| `another` (unstable) | hessian | Millions of parameters" in proxy_table([other])
