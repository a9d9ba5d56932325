"""Values of the classic proxies, written down: tables and forests are made of them."""

import pytest
import torch

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.features.extractor import FeatureExtractor
from acorn.features.proxy_settings import ENGINE_VERSION
from acorn.spaces import get_space

CELL = (
    "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)

# Kernels differ from machine to machine, and with the number of threads, in the last bits.
# Gradients of a deep network multiply that to about 2e-4; sums of both signs lay it bare.
VALUES = {
    "epe_nas": (7.999960000230257e-05, 1e-3),
    "fisher": (0.972025454044342, 5e-3),
    "flops": (89.597632, 0),
    "grad_norm": (28.78484535217285, 1e-3),
    "grasp": (17.469724655151367, 1e-2),
    "jacob_fro": (1.4987378120422363, 1e-3),
    "jacov": (-8.008702569866655, 1e-4),
    "l2_norm": (231.71511840820312, 1e-6),
    "nwot": (102.91430697246832, 1e-6),
    "params": (0.615386, 0),
    "plain": (0.08380807936191559, 1e-2),
    "snip": (61.42361068725586, 1e-3),
    "synflow": (90.49453787252236, 1e-6),
    "zen": (178.35407906696082, 1e-5),
}


@pytest.fixture(scope="module")
def values() -> dict[str, float | None]:
    dataset, space = get_dataset("cifar10"), get_space("nats_tss")
    extractor = FeatureExtractor(dataset, embedded_batch(dataset, size=8), proxies="classic")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as tables are computed
    try:
        return dict(extractor.compute(space, space.parse(CELL).canonical).values)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", VALUES)
def test_values_stand(values: dict[str, float | None], name: str) -> None:
    expected, tolerance = VALUES[name]
    assert values[name] == pytest.approx(expected, rel=tolerance, abs=0), (
        "a change of values needs another ENGINE_VERSION"
    )


def test_engine_version() -> None:
    assert ENGINE_VERSION == 3
