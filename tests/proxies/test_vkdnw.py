import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from acorn.proxies import run
from acorn.proxies._engine.pass_registry import Measurement
from acorn.proxies._engine.passes import fisher_eigen
from acorn.proxies._engine.records import Records
from acorn.proxies._network.redraw import drawn_values
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork
from tests.proxies.small import CELL, batch, cell_network, measured


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, dilation=2, groups=2, padding=2), nn.GroupNorm(2, 4), nn.ReLU(),
        nn.Flatten(2), nn.LayerNorm(16), nn.Flatten(), nn.Linear(64, 4),
    )  # fmt: skip


def spectrum(network: nn.Module) -> torch.Tensor:
    images, labels = batch()
    records = Records(labels, 4)
    with measured(network, images) as replica:
        torch.manual_seed(0)
        fisher_eigen.FISHER_EIGEN.run(Measurement(replica, images, records, (), {}))
    return records.fisher_eigenvalues


def test_spectrum_is_that_of_the_fisher_information(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fisher_eigen, "INPUTS", 5)
    monkeypatch.setattr(fisher_eigen, "PROBES", 3)  # exact for four classes
    network = small()
    got = spectrum(network)
    # The same weights, inputs and parameters, by plain differentiation.
    torch.manual_seed(0)
    noise = torch.randn(5, 3, 8, 8)
    network.eval()
    tensors: dict[str, Tensor] = dict(network.named_parameters())
    with measured(network, noise) as replica:
        names = {id(p): name for name, p in replica.module.named_parameters()}
        torch.manual_seed(0)
        torch.randn(5, 3, 8, 8)
        drawn = drawn_values(replica, nn.init.kaiming_normal_)
        tensors |= {names[id(parameter)]: value for parameter, value in drawn}
    tensors = {name: t.detach().requires_grad_(True) for name, t in tensors.items()}
    fisher = torch.zeros(len(tensors), len(tensors), dtype=torch.float64)
    for image in noise:
        logits = functional_call(network, tensors, (image[None],))[0]
        rows = []
        for logit in logits:
            gradients = torch.autograd.grad(logit, [*tensors.values()], retain_graph=True)
            rows.append(torch.stack([g.flatten()[0] for g in gradients]).double())
        jacobian, share = torch.stack(rows), 0.95 * logits.detach().double().softmax(0) + 0.05 / 4
        fisher += jacobian.T @ (torch.diag(share) - torch.outer(share, share)) @ jacobian / 5
    expected = torch.linalg.eigvalsh(fisher).clamp_min(0)
    assert torch.allclose(got, expected, rtol=1e-3, atol=float(expected.max()) * 1e-6)


def test_random_probes_are_right_in_the_mean() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 20)
    share = 0.95 * logits.softmax(1) + 0.05 / 20
    expected = torch.diag_embed(share) - share[:, :, None] * share[:, None, :]
    total = torch.zeros_like(expected)
    for _ in range(400):
        signs = torch.randint(2, (fisher_eigen.PROBES, *logits.shape)) * 2.0 - 1
        for probe in fisher_eigen._probes(logits, signs):
            total += probe[:, :, None] * probe[:, None, :] / 400
    assert torch.allclose(total, expected, atol=0.01)


def test_entropy_of_deciles() -> None:
    value = run(cell_network(), *batch(), num_classes=4, proxies="vkdnw").values["vkdnw"]
    assert value is not None
    assert 0 < value <= torch.tensor(9.0).log()
    deciles = torch.quantile(spectrum(cell_network()), torch.arange(1, 10).double() / 10)
    share = deciles / deciles.sum()
    assert value == pytest.approx(-float((share * share.log()).nan_to_num(0).sum()), rel=1e-6)


def test_a_network_that_ignores_its_image_has_no_spectrum() -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.ones(len(x), 3))

    result = run(Blind(), *batch(), num_classes=4, proxies="vkdnw")
    assert "the logits do not depend on the image" in result.reasons["vkdnw"]


def test_each_probe_sees_each_parameter() -> None:
    network = cell_network()
    with measured(network, batch()[0]) as replica:
        jacobians = fisher_eigen.probed_jacobians(replica, batch()[0], 4)
    assert len({jacobian.shape[1] for jacobian in jacobians}) == 1


def test_the_draw_of_signs_does_not_depend_on_how_many_inputs_run_together() -> None:
    torch.manual_seed(0)
    signs = fisher_eigen._signs(10, batch=32)
    torch.manual_seed(0)
    blocks = [torch.randint_like(torch.empty(32, 10), 2) * 2 - 1 for _ in range(4)]
    first, second = torch.cat(blocks[::2]), torch.cat(blocks[1::2])
    assert torch.equal(signs, torch.stack([first, second]))


def test_value_stands() -> None:
    """Written down from before inputs went through the network in larger parts."""
    torch.manual_seed(0)
    network = TopologyNetwork(parse_cell(CELL), 10, channels=4, cells=1)
    images, labels = batch(num_classes=10)
    value = run(network, images, labels, num_classes=10, proxies="vkdnw").values["vkdnw"]
    assert value == pytest.approx(1.1508482756, rel=1e-5)
