"""What the engine asks of a device does not grow again; the limits have 10% of room."""

from collections.abc import Mapping

import pytest

from benchmarks.operations import Counts, count, count_step, example, total

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def counts() -> dict[str, Mapping[str, Counts]]:
    """Counts for both sets of proxies on the example cell of nats_tss, on small images."""
    network, images, labels, classes = example("nats_tss", 32)
    small = images[:, :, :16, :16]
    sets = {"classic": ["classic"], "all": ["all"]}
    return {name: count(network, small, labels, classes, names) for name, names in sets.items()}


def test_a_training_step_is_counted() -> None:
    network, images, labels, _ = example("nats_tss", 2)
    assert count_step(network, images, labels).operations == 757


@pytest.mark.parametrize(("proxies", "limit"), [("classic", 6_000), ("all", 24_000)])
def test_operations(counts: dict[str, Mapping[str, Counts]], proxies: str, limit: int) -> None:
    assert limit / 2 < total(counts[proxies]).operations <= limit


@pytest.mark.parametrize("proxies", ["classic", "all"])
def test_waiting(counts: dict[str, Mapping[str, Counts]], proxies: str) -> None:
    asked = total(counts[proxies])
    assert asked.decompositions <= 22
    assert asked.doubles == 0
    assert asked.reads == 1


def test_convolutions_in_double_precision_would_be_seen() -> None:
    network, images, labels, _ = example("nats_tss", 2)
    assert count_step(network, images, labels).doubles == 0
    assert count_step(network.double(), images.double(), labels).doubles == 2 * 82


def test_each_pass_is_counted(counts: dict[str, Mapping[str, Counts]]) -> None:
    assert {"survey", "loss", "noise", "perturbed", "fisher_eigen"} <= {*counts["all"]}
    assert counts["all"]["noise"].kinds["convolution"] == 4 * 82
