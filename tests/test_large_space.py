"""The predictor on a space of over 100,000 members: quick, and in flat memory."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from torch import nn

import acorn
from acorn.spaces import SPACES, ChoiceSpace, register_space

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LAYERS = 12
MOST_SECONDS, LITTLE = 20.0, 16 << 20


@dataclass(frozen=True)
class Kernels:
    kernels: Annotated[tuple[Literal[1, 3, 5], ...], LAYERS]
    width: Literal[4, 8]


class LongChain(ChoiceSpace):
    """A chain of twelve convolutions: over a million members."""

    name, choices = "long_chain", Kernels

    def network(self, choices: Any, dataset: Any) -> nn.Module:
        layers: list[nn.Module] = []
        channels = 3
        for kernel in choices.kernels:
            convolution = nn.Conv2d(channels, choices.width, kernel, padding=kernel // 2)
            layers += [convolution, nn.ReLU()]
            channels = choices.width
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, dataset.num_classes)]
        return nn.Sequential(*layers, *head)


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> ChoiceSpace:
    monkeypatch.setattr(SPACES, "_spaces", dict(SPACES))
    space = LongChain()
    register_space(space)
    return space


def peak(action: Callable[[], object]) -> int:
    """Most bytes that an action holds."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def labelled(space: ChoiceSpace, n: int) -> tuple[list[dict[str, str]], Any]:
    """Specifications, and labels that rise with the kernels."""
    archs = space.sample(n, seed=0)
    kernels = [space.columns(space.parse(arch).canonical) for arch in archs]
    labels = np.array([60 + columns["long_chain.kernels.sum"] / 2 for columns in kernels])
    return [{"space": space.name, "arch": arch} for arch in archs], labels


def test_a_fit_to_known_features_is_quick(space: ChoiceSpace, tmp_path: Any) -> None:
    specs, labels = labelled(space, 325)
    predictor = acorn.AccuracyPredictor(cache=tmp_path / "features.sqlite")
    predictor.fit(specs[:25], labels[:25], population=specs[25:])  # computes the features
    start = time.process_time()
    predictor.fit(specs[:25], labels[:25], population=specs[25:])
    assert time.process_time() - start < MOST_SECONDS
    assert np.corrcoef(predictor.predict(specs[25:]), labels[25:])[0, 1] > 0.8


def test_memory_is_that_of_the_population(space: ChoiceSpace, tmp_path: Any) -> None:
    assert space.size is None
    specs, labels = labelled(space, 40)
    predictor = acorn.AccuracyPredictor(cache=tmp_path / "features.sqlite")
    assert peak(lambda: space.sample(1000, seed=1)) < LITTLE  # a list of all has over 100 MiB
    assert peak(lambda: predictor.fit(specs[:10], labels[:10], population=specs[10:])) < 4 * LITTLE
