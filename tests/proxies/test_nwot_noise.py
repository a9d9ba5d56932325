import pytest
import torch

from acorn.proxies import run
from tests.proxies.small import batch, cell_network


def test_is_nwot_with_noise_for_images() -> None:
    images, labels = batch()
    torch.manual_seed(5)
    noise = torch.randn_like(images.contiguous(memory_format=torch.channels_last))
    expected = run(cell_network(), noise, labels, num_classes=4, proxies="nwot").values["nwot"]
    got = run(cell_network(), images, labels, num_classes=4, proxies="nwot_noise", seed=5)
    assert got.values["nwot_noise"] == pytest.approx(expected, rel=1e-6)


def test_images_do_not_matter() -> None:
    images, labels = batch()
    values = [
        run(cell_network(), x, labels, num_classes=4, proxies="nwot_noise").values
        for x in (images, 2 * images + 1)
    ]
    assert values[0] == values[1]
