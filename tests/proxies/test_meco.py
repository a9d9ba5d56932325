import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import run
from acorn.proxies._math.channel_correlation import correlation_of_channels
from tests.proxies.small import batch, cell_network


def headed(body: nn.Module) -> nn.Module:
    """A body, and its mean as logits, which counts nothing."""
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def smallest_of_modules(network: nn.Module, image: Tensor) -> float:
    """The definition, module by module, without sharing or short cuts."""
    terms = []

    def look(_module: nn.Module, _inputs: object, out: Tensor) -> None:
        rows = out[0].detach().reshape(out.shape[1], -1).double().numpy()
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # one pixel has no deviation
            matrix = np.nan_to_num(np.atleast_2d(np.corrcoef(rows)), posinf=0, neginf=0)
        terms.append(np.linalg.eigvalsh(matrix).min())

    handles = [module.register_forward_hook(look) for module in network.modules()]
    network(image)
    for handle in handles:
        handle.remove()
    return float(sum(terms))


def test_sum_over_all_modules_of_the_smallest_eigenvalue() -> None:
    network = cell_network()
    torch.manual_seed(3)
    image = torch.randn(1, 3, 64, 64)
    expected = smallest_of_modules(cell_network(), image)
    got = run(network, *batch(), num_classes=4, proxies="meco", seed=3).values["meco"]
    assert got == pytest.approx(expected, abs=1e-4)
    assert (got or 0) > 1


def test_containers_count_again() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 2, 3)
    once = run(headed(layer), *batch(), num_classes=2, proxies="meco").values["meco"]
    thrice = run(
        headed(nn.Sequential(nn.Sequential(layer))), *batch(), num_classes=2, proxies="meco"
    ).values["meco"]
    assert once is not None
    assert once > 0
    assert thrice == pytest.approx(3 * once)


def test_a_network_of_one_size_is_shown_an_image_of_that_size() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
    torch.manual_seed(3)
    expected = smallest_of_modules(network, torch.randn(1, 3, 8, 8))
    got = run(network, *batch(), num_classes=4, proxies=["meco", "meco_opt"], seed=3)
    assert got.values["meco"] == pytest.approx(expected, abs=1e-4)
    assert (got.values["meco"] or 0) > 0
    assert (got.values["meco_opt"] or 0) > 0


def test_more_channels_than_pixels_count_nothing() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 5, 1), nn.Flatten())
    assert run(network, *batch(), num_classes=5, proxies="meco").values["meco"] == 0


def test_an_inplace_layer_is_told_from_what_it_overwrites() -> None:
    def network(inplace: bool) -> nn.Module:
        torch.manual_seed(0)
        return headed(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=inplace)))

    values = [
        run(network(inplace), *batch(), num_classes=4, proxies="meco").values["meco"]
        for inplace in (True, False)
    ]
    assert values[0] == values[1]


def test_correlation_of_channels() -> None:
    rows = torch.randn(4, 9)
    assert torch.allclose(correlation_of_channels(rows), torch.corrcoef(rows).double(), atol=1e-6)
    rows[1] = 0.1
    assert (correlation_of_channels(rows)[1] == 0).all()
