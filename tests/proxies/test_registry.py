"""Names, sets, and the page that says which proxy reads which pass."""

import re
from pathlib import Path

import pytest

from acorn.errors import UnknownProxyError
from acorn.proxies import SETS, list_proxies, select
from acorn.proxies._engine.registry import REQUIRES, Observer, Pass

PAGE = Path(__file__).resolve().parents[2] / "docs" / "passes.md"


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
        assert name in classic or (here / f"test_{name}.py").exists(), name


@pytest.mark.parametrize("name", sorted(set(list_proxies()) - SETS["classic"]))
def test_documentation_says_source_cost_and_choices(name: str) -> None:
    (proxy,) = select(name)
    text = proxy.definition.__doc__ or ""
    assert proxy.summary.endswith(".")
    assert "Source: " in text or name == "local_entropy"
    assert "ost" in text or name in ("croze_ascent",), name


def test_a_pass_comes_after_what_it_goes_on_from() -> None:
    order = [*Pass]
    assert all(order.index(before) < order.index(after) for after, before in REQUIRES.items())


def test_observers_read_passes_that_show_them_something() -> None:
    shown = {
        Pass.LOSS: {"on_activation", "on_gradient", "on_output"},
        Pass.HALVES: {"on_activation", "on_second_activation", "on_operation", "on_output"},
        Pass.LOGITS: {"on_input_gradient"},
        Pass.RANDOM: {"on_activation", "on_output"},
        Pass.SAMPLE: {"on_activation", "on_output"},
        Pass.REDRAWN: {"on_activation", "on_output", "on_draw"},
    }
    for proxy in select():
        if isinstance(proxy.definition, type):
            seen = {m for m in vars(Observer) if m.startswith("on_")}
            wanted = {m for m in seen if getattr(proxy.definition, m) is not getattr(Observer, m)}
            assert wanted <= set().union(*(shown.get(p, set()) for p in proxy.reads)), proxy.name


def table() -> dict[str, set[str]]:
    """Proxies and the passes that they are marked at."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {
        row[0].strip("`"): {p for p, mark in zip(head[1:], row[1:], strict=True) if mark}
        for row in rows
    }


def test_the_page_agrees_with_the_registry() -> None:
    assert table() == {proxy.name: {pass_.value for pass_ in proxy.reads} for proxy in select()}


def section(title: str) -> str:
    """The page's text under one of its headings."""
    return PAGE.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_page_names_the_unstable_proxies() -> None:
    named = re.findall(
        r"^- `(\w+)`", section("Proxies that do not rank the same networks twice"), re.M
    )
    assert named == [proxy.name for proxy in select() if proxy.unstable]


def test_the_page_has_every_pass() -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*", section("The passes"), re.M) == [p.value for p in Pass]
