import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acorn.errors import UnknownTargetError
from acorn.targets import Target, find_target, is_target

KNOWN = ["clean", "pgd_linf_1.0", "fgsm_linf_0.5", "corruption_fog", "adv.pgd_linf_8"]


@pytest.mark.parametrize(
    "name", [*KNOWN, "apgd_ce_linf_255.0", "adv.autoattack_linf_8", "adv.clean"]
)
def test_targets(name: str) -> None:
    assert is_target(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "params",
        "clean_std",
        "clean_single_seed",
        "edgegpu_latency",
        "pgd_linf_",
        "adv.",
        "_linf_1",
        "pgd_linf_1e3",
        "pgd_l2_1",
        "corruption_",
        "CLEAN",
        "clean\n",
        "adv.adv.clean",
        "throughput.",
        "adv.throughput.a100",
    ],
)
def test_other_columns(name: str) -> None:
    assert not is_target(name)
    with pytest.raises(UnknownTargetError, match="expected one of"):
        Target.of(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clean", "clean"),
        ("apgd_ce_linf_1.0", "apgd_ce"),
        ("corruption_fog", "corruption"),
        ("adv.clean", "adv"),
        ("adv.pgd_linf_8", "adv"),
    ],
)
def test_kind(name: str, expected: str) -> None:
    assert Target.of(name).kind == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pgd_linf_1", "pgd_linf_1.0"),
        ("pgd_linf_1.00", "pgd_linf_1.0"),
        ("fgsm_linf_.5", None),
        ("adv.pgd_linf_8.0", "adv.pgd_linf_8"),
        ("pgd_linf_8", None),
        ("pgd_linf_nan", None),
        ("clean.0", None),
    ],
)
def test_find(name: str, expected: str | None) -> None:
    if expected is not None:
        assert find_target(name, KNOWN) == expected
        return
    with pytest.raises(UnknownTargetError, match=r"expected one of adv\.pgd_linf_8, clean"):
        find_target(name, KNOWN)


@given(st.text())
def test_any_text_is_found_or_refused(name: str) -> None:
    try:
        found = find_target(name, KNOWN)
    except UnknownTargetError:
        return
    assert Target.of(found).kind == Target.of(name).kind


def test_units() -> None:
    assert Target.of("adv.pgd_linf_8") == Target("adv.pgd_linf_8", "adv", "percent", 0, 100)
    speed = Target.of("throughput.rtx-2080_ti")
    assert (speed.kind, speed.unit, speed.scale) == ("throughput", "images/s", "log")
    assert (speed.lower, speed.upper, speed.higher_is_better) == (0, math.inf, True)


@pytest.mark.parametrize(
    ("name", "unit", "higher_is_better"),
    [
        ("latency.edgegpu", "ms", False),
        ("energy.fpga", "mJ", False),
        ("arithmetic_intensity.eyeriss", "operations/byte", True),
    ],
)
def test_hardware(name: str, unit: str, higher_is_better: bool) -> None:
    target = Target.of(name)
    assert (target.unit, target.higher_is_better) == (unit, higher_is_better)
    assert (target.kind, target.scale, target.upper) == (name.split(".")[0], "log", math.inf)


@pytest.mark.parametrize("name", ["real", "v2", "imagenet_a", "imagenet_r", "sketch"])
def test_test_sets_of_imagenet(name: str) -> None:
    assert Target.of(name) == Target(name, "shift", "percent", 0, 100)
