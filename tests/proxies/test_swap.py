import torch
from torch import Tensor, nn

from acorn.proxies import run
from tests.proxies.small import batch, cell_network


def test_counts_different_columns_of_the_sign_matrix() -> None:
    images, labels = batch()
    network = cell_network()
    halves = []
    for part in (images[:3], images[3:]):
        signs: list[Tensor] = []

        def look(_m: nn.Module, _i: object, out: Tensor, signs: list[Tensor] = signs) -> None:
            signs.append(out.sign().flatten(1))

        handles = [
            m.register_forward_hook(look) for m in network.modules() if isinstance(m, nn.ReLU)
        ]
        network(part.contiguous(memory_format=torch.channels_last))
        for handle in handles:
            handle.remove()
        halves.append(torch.cat(signs, dim=1))
    expected = len(torch.cat(halves).T.unique(dim=0))
    values = run(cell_network(), images, labels, num_classes=4, proxies="swap").values
    assert values["swap"] == expected
    assert expected > 30


def test_at_most_a_pattern_for_each_choice_of_images() -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    network(torch.zeros(1, 3, 8, 8))
    values = run(network, *batch(2), num_classes=4, proxies="swap").values
    assert values["swap"] == 4


def test_needs_a_rectified_feature_map() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU())
    result = run(network, *batch(), num_classes=4, proxies="swap")
    assert "no rectifier after a feature map" in result.reasons["swap"]
