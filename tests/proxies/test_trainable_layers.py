from torch import nn

from acorn.proxies import run
from tests.proxies.small import batch


def test_counts_modules_that_own_parameters() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(nn.PReLU()), nn.Flatten(),
        nn.Linear(144, 4), nn.BatchNorm1d(4, affine=False),
    )  # fmt: skip
    network[0].weight.requires_grad_(False)  # frozen now, trainable all the same
    values = run(network, *batch(), num_classes=4, proxies="trainable_layers").values
    assert values == {"trainable_layers": 4}
