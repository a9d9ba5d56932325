"""Another draw of a network's weights: as layers draw their own, and not into the network."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.proxies.passes.redraw import redrawn_parameters
from models.proxies.state import preserved
from tests.proxies.odd_networks import odd_networks
from tests.proxies.small import cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint


class Shares(nn.Module):
    """One tensor in two layers, a bare parameter, and a container that draws for its child."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.full((4,), 3.0))
        self.child = nn.Linear(4, 4)

    def reset_parameters(self) -> None:
        nn.init.constant_(self.child.weight, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.child(self.second(self.first(x))) * self.scale


def test_the_network_keeps_what_it_has() -> None:
    for network in odd_networks().values():
        before = fingerprint(network)
        tensors = [id(parameter) for parameter in network.parameters()]
        with preserved(network):
            redrawn_parameters(network)
        assert_unchanged(network, before)
        assert [id(parameter) for parameter in network.parameters()] == tensors


def test_layers_draw_as_they_do_when_built() -> None:
    network = cell_network()
    drawn = redrawn_parameters(network)
    assert set(drawn) == set(dict(network.named_parameters()))
    for name, parameter in network.named_parameters():
        assert drawn[name].shape == parameter.shape
        if parameter.dim() > 1:
            assert not torch.equal(drawn[name], parameter)
            bound = parameter[0].numel() ** -0.5  # of PyTorch's uniform weights
            assert drawn[name].abs().max() <= bound
            assert drawn[name].std() > bound / 4


def test_a_network_built_from_the_same_seed_is_drawn_otherwise() -> None:
    network = cell_network(seed=5)
    torch.manual_seed(5)
    drawn = redrawn_parameters(network)
    assert not torch.equal(drawn["classifier.weight"], network.classifier.weight)
    torch.manual_seed(5)
    assert torch.equal(redrawn_parameters(network)["classifier.weight"], drawn["classifier.weight"])


def test_what_no_layer_draws_stays_and_what_is_shared_stays_shared() -> None:
    network = Shares()
    drawn = redrawn_parameters(network)
    assert torch.equal(drawn["scale"], network.scale)
    assert torch.equal(drawn["child.weight"], torch.full((4, 4), 7.0))
    assert "second.weight" not in drawn
    x = torch.randn(2, 4)
    shared = x @ drawn["first.weight"].T + drawn["first.bias"]
    shared = shared @ drawn["first.weight"].T + drawn["second.bias"]
    expected = (shared @ drawn["child.weight"].T + drawn["child.bias"]) * 3
    assert torch.allclose(functional_call(network, drawn, (x,)), expected, rtol=1e-4)
