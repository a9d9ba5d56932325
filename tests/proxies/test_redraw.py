"""Another draw of a network's weights: as layers draw their own, and not into the network."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.errors import InputError
from acorn.proxies._network.redraw import redrawn, redrawn_parameters
from tests.proxies.odd_networks import odd_networks
from tests.proxies.small import batch, cell_network, measured


def drawn_of(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Drawn parameters by name."""
    with measured(network, batch()[0]) as replica:
        torch.manual_seed(seed)
        values = redrawn_parameters(replica)
    return dict(zip(dict(network.named_parameters()), values, strict=True))


class Shares(nn.Module):
    """One tensor in two layers, a bare parameter, and a container that draws for its child."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(192, 192)
        self.second = nn.Linear(192, 192)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.full((4,), 3.0))
        self.child: Any = nn.Linear(192, 4)
        self.child.unused = nn.Linear(2, 2)

    def reset_parameters(self) -> None:
        nn.init.constant_(self.child.weight, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.child(self.second(self.first(x.flatten(1)))) * self.scale


def test_the_replica_keeps_what_it_has() -> None:
    images = batch()[0]
    for network in odd_networks().values():
        try:
            with measured(network, images) as replica:
                before = {n: t.clone() for n, t in replica.module.state_dict().items()}
                tensors = [id(parameter) for parameter in replica.module.parameters()]
                with redrawn(replica):
                    pass
                after = replica.module.state_dict()
                assert all(torch.equal(before[name], after[name]) for name in before)
                assert [id(parameter) for parameter in replica.module.parameters()] == tensors
        except InputError:
            pass  # networks without logits


def test_layers_draw_as_they_do_when_built() -> None:
    network = cell_network()
    drawn = drawn_of(network)
    for name, parameter in network.named_parameters():
        assert drawn[name].shape == parameter.shape
        if parameter.dim() > 1:
            assert not torch.equal(drawn[name], parameter)
            bound = parameter[0].numel() ** -0.5  # of PyTorch's uniform weights
            assert drawn[name].abs().max() <= bound
            assert drawn[name].std() > bound / 4


def test_a_network_built_from_the_same_seed_is_drawn_otherwise() -> None:
    network = cell_network(seed=5)
    drawn = drawn_of(network, seed=5)
    assert not torch.equal(drawn["classifier.weight"], network.get_parameter("classifier.weight"))
    assert torch.equal(drawn_of(network, seed=5)["classifier.weight"], drawn["classifier.weight"])


def test_what_no_layer_draws_stays_and_what_is_shared_stays_shared() -> None:
    network = Shares()
    with measured(network, batch()[0]) as replica:
        torch.manual_seed(0)
        values = redrawn_parameters(replica)
        x = torch.randn(2, 3, 8, 8)
        torch.manual_seed(0)
        with redrawn(replica):
            got = replica(x)
    drawn = dict(zip(dict(network.named_parameters()), values, strict=True))
    assert torch.equal(drawn["scale"], network.scale)
    assert torch.equal(drawn["child.weight"], torch.full((4, 192), 7.0))
    assert "second.weight" not in drawn
    shared = functional.linear(x.flatten(1), drawn["first.weight"], drawn["first.bias"])
    shared = functional.linear(shared, drawn["first.weight"], drawn["second.bias"])
    expected = functional.linear(shared, drawn["child.weight"], drawn["child.bias"]) * 3
    assert torch.allclose(got, expected, rtol=1e-4)


def test_a_layer_that_does_not_run_draws_nothing() -> None:
    network = Shares()
    drawn = drawn_of(network)
    assert torch.equal(drawn["child.unused.weight"], network.child.unused.weight)
    del network.child.unused
    again = drawn_of(network)
    assert torch.equal(drawn["first.weight"], again["first.weight"])


def test_weights_of_functions_are_drawn_as_a_layer_draws_its_own() -> None:
    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 192))
            self.bias = nn.Parameter(torch.randn(4))

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x.flatten(1), self.weight, self.bias)

    called = drawn_of(Called())
    layer = drawn_of(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    assert torch.equal(called["weight"], layer["1.weight"])
    assert torch.equal(called["bias"], layer["1.bias"])
    with pytest.raises(KeyError):
        _ = called["unused"]
