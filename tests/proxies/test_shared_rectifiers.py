"""Rectifiers of the same tensor are computed once, and no value depends on it."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.proxies import list_proxies, run
from acorn.proxies._network.operations import Operations
from benchmarks.operations import OperationCounter
from tests.proxies.small import batch, cell_network, measured


class Branches(nn.Module):
    """Two branches that begin with a rectifier of the same map."""

    def __init__(self, *, apart: bool = False) -> None:
        super().__init__()
        self.apart = apart
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.left = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.right = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        left = self.left(functional.relu(x))
        right = self.right(torch.relu(x.clone() if self.apart else x))
        return self.head((left + right).mean((2, 3)))


class Writing(Branches):
    """Writes into what a rectifier gave to one branch."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        first, second = functional.relu(x), functional.relu(x)
        left = self.left(first.add_(1.0))
        return self.head((left + self.right(second)).mean((2, 3)))


def rectifiers(network: nn.Module, *, share: bool = True) -> int:
    """Count how many rectifiers one forward computes."""
    images = batch()[0].requires_grad_(True)
    with measured(network, images) as replica, OperationCounter() as counter:
        replica(images, share_rectifiers=share)
    return sum(counts.kinds["relu"] for counts in counter.counts.values())


def test_rectifiers_of_one_tensor_are_computed_once() -> None:
    assert rectifiers(Branches()) == 1
    assert rectifiers(Branches(), share=False) == 2
    assert rectifiers(Branches(apart=True)) == 2


def test_a_network_that_writes_in_place_shares_nothing() -> None:
    assert rectifiers(Writing()) == 2


def test_no_value_depends_on_it() -> None:
    images, labels = batch()
    values = []
    for apart in (False, True):
        torch.manual_seed(0)
        values.append(run(Branches(apart=apart), images, labels, num_classes=4).values)
    for name in set(list_proxies()) - {"zico", "plain"}:  # where most of a sum cancels
        assert values[0][name] == pytest.approx(values[1][name], rel=1e-3), name


def test_a_result_is_not_used_after_its_input_has_changed() -> None:
    operations = Operations()
    x = torch.tensor([-1.0, 2.0])
    with operations, operations.sharing(True):
        first = torch.relu(x)
        assert torch.relu(x) is first
        x = x.neg_()
        assert torch.relu(x).tolist() == [1.0, 0.0]
    assert first.tolist() == [0.0, 2.0]


def test_without_gradients_a_result_has_no_graph() -> None:
    operations = Operations()
    x = torch.ones(2, requires_grad=True)
    with operations, operations.sharing(True):
        with torch.no_grad():
            assert not torch.relu(x).requires_grad
        assert torch.relu(x).requires_grad


def test_parameters_want_gradients_again() -> None:
    with measured(cell_network(), batch()[0]) as replica:
        with replica.frozen():
            assert not any(p.requires_grad for p in replica.module.parameters())
        assert all(p.requires_grad for p in replica.module.parameters())
