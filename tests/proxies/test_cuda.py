"""The same vector on a GPU: runs where there is one."""

import pytest
import torch

from models.proxies import run
from tests.proxies.small import batch, cell_network

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none"
)

EXACT = ("params", "flops", "l2_norm", "nwot", "synflow", "grad_norm", "snip", "jacob_fro")


def test_cuda_agrees_with_the_cpu() -> None:
    images, labels = batch()
    cpu = run(cell_network(), images, labels, num_classes=4, proxies=EXACT)
    cuda = run(cell_network().cuda(), images.cuda(), labels.cuda(), num_classes=4, proxies=EXACT)
    assert cuda.reasons == {}
    assert cuda.values == pytest.approx(cpu.values, rel=1e-2)


def test_random_state_of_the_gpu_survives() -> None:
    images, labels = batch()
    before = torch.cuda.get_rng_state()
    run(cell_network().cuda(), images.cuda(), labels.cuda(), num_classes=4, proxies=["zen"])
    assert torch.equal(torch.cuda.get_rng_state(), before)
