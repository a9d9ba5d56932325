from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import nn
from torch.nn import functional

from acorn.errors import InputError
from acorn.graph import Kind, LayerGraph, count_params, trace
from acorn.graph._aten import read_layer
from acorn.spaces.nats_tss import parse_cell
from acorn.spaces.nats_tss.network import TopologyNetwork

SHAPE = (3, 8, 8)


class Call(nn.Module):
    """A module from a function of itself and its input, and some children."""

    def __init__(
        self, function: Callable[[Any, torch.Tensor], Any], **children: nn.Module | nn.Parameter
    ) -> None:
        super().__init__()
        self.function = function
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def kinds(graph: LayerGraph) -> list[str]:
    return [layer.kind.value for layer in graph.layers[1:]]


def inputs(graph: LayerGraph) -> list[tuple[int, ...]]:
    return [layer.inputs for layer in graph.layers]


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def test_a_plain_network_layer_by_layer() -> None:
    graph = trace(plain(), SHAPE)
    expected = ["conv", "norm", "activation", "max_pool", "global_pool", "linear"]
    assert kinds(graph) == expected
    assert inputs(graph) == [(), (0,), (1,), (2,), (3,), (4,), (5,)]
    _, conv, norm, relu, pool, whole, linear = graph.layers
    assert (conv.shape, conv.kernel, conv.stride, conv.dilation) == (
        (4, 4, 4),
        (3, 3),
        (2, 2),
        (1, 1),
    )
    assert (conv.in_channels, conv.out_channels, conv.params) == (3, 4, 112)
    assert (conv.macs, conv.flops) == (27 * 4 * 16, 27 * 4 * 16 + 64)
    assert (norm.params, norm.flops, relu.flops) == (8, 128, 64)
    assert (pool.shape, pool.kernel, pool.stride, pool.flops) == ((4, 2, 2), (2, 2), (2, 2), 64)
    assert (whole.shape, whole.kernel, whole.flops) == ((4, 1, 1), (2, 2), 4 * 9)
    assert (linear.shape, linear.macs, linear.flops, linear.params) == ((5,), 20, 20, 25)
    assert graph.params == count_params(plain())


def attention() -> nn.Module:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(x.shape[0], -1, -1), tokens], 1) + self.position
        tokens = tokens + self.attend(*[self.norm(tokens)] * 3, need_weights=False)[0]
        tokens = tokens + self.up_down(self.norm_2(tokens))
        return self.head(tokens[:, 0])

    return Call(
        forward,
        embed=nn.Conv2d(3, 8, 4, 4),
        cls=nn.Parameter(torch.zeros(1, 1, 8)),
        position=nn.Parameter(torch.zeros(1, 5, 8)),
        norm=nn.LayerNorm(8),
        attend=nn.MultiheadAttention(8, 2, batch_first=True),
        norm_2=nn.LayerNorm(8),
        up_down=nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8)),
        head=nn.Linear(8, 10),
    )


def test_a_vision_transformer() -> None:
    module = attention()
    graph = trace(module, SHAPE)
    assert graph.params == count_params(module)
    found = kinds(graph)
    assert [found.count(kind) for kind in ("conv", "linear", "norm", "matmul", "add")] == [
        1,
        5,
        2,
        2,
        2,
    ]
    products = [layer for layer in graph.layers if layer.kind is Kind.MATMUL]
    assert [layer.macs for layer in products] == [5 * 5 * 8, 5 * 5 * 8]
    projection = next(layer for layer in graph.layers if layer.kind is Kind.LINEAR)
    assert (projection.positions, projection.in_channels, projection.out_channels) == (5, 8, 24)
    assert projection.macs == 5 * 8 * 24


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Conv2d(3, 6, 3, groups=3), ["depthwise_conv"]),
        (nn.Conv2d(3, 6, (3, 1), dilation=2, bias=False), ["conv"]),
        (nn.ConvTranspose2d(3, 2, 2, 2), ["conv"]),
        (nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3)), ["conv"]),
        (Call(lambda self, x: self.conv(x[:, :, None]), conv=nn.Conv3d(3, 2, 1)), ["conv"]),
        (nn.GroupNorm(3, 3), ["norm"]),
        (nn.InstanceNorm2d(3), ["norm"]),
        (nn.LayerNorm(8, elementwise_affine=False), ["norm"]),
        (nn.Sequential(nn.SiLU(), nn.Hardswish(), nn.ReLU6(), nn.PReLU()), ["activation"] * 4),
        (nn.AdaptiveAvgPool2d(3), ["avg_pool"]),
        (nn.AdaptiveMaxPool2d(1), ["global_pool"]),
        (nn.AvgPool2d(8), ["global_pool"]),
        (nn.AvgPool2d(3, 1, 1), ["avg_pool"]),
        (nn.LPPool2d(2, 2), None),
        (nn.PixelShuffle(1), ["reshape"]),
        (nn.Upsample(scale_factor=2), ["reshape"]),
        (nn.Identity(), []),
        (nn.Dropout2d(), []),
        (Call(lambda _, x: x.mean((2, 3))), ["global_pool"]),
        (Call(lambda _, x: x.amax((-1, -2), keepdim=True)), ["global_pool"]),
        (Call(lambda _, x: x.flatten(2).mean(-1)), ["global_pool"]),
        (Call(lambda _, x: x.permute(0, 2, 3, 1).mean((1, 2))), ["global_pool"]),
        (Call(lambda _, x: x.mean(1)), ["other"]),
        (Call(lambda _, x: functional.scaled_dot_product_attention(x, x, x)), None),
        (Call(lambda _, x: 1 - (x * 2 + 1).view(-1).view_as(x) / 3), []),
        (Call(lambda _, x: x * torch.tensor([1.0, 2.0, 3.0])[:, None, None]), []),
        (Call(lambda _, x: x + x), ["add"]),
        (Call(lambda _, x: x * x), ["mul"]),
        (Call(lambda _, x: x - x.mean(1, keepdim=True)), ["other", "add"]),
        (Call(lambda _, x: torch.einsum("bchw,bdhw->bcd", x, x)), ["matmul"]),
        (Call(lambda _, x: torch.maximum(x, x.flip(2))), ["reshape", "other"]),
        (Call(lambda _, x: functional.normalize(x)), None),
        (Call(lambda _, x: torch.fft.rfft2(x).abs()), None),
        (Call(lambda _, x: torch.where(x > 0, x, torch.zeros_like(x))), None),
        (Call(lambda _, x: functional.gelu(functional.unfold(x, 3))), ["reshape", "activation"]),
        (
            Call(lambda self, x: functional.linear(x, self.w), w=nn.Parameter(torch.ones(4, 8))),
            ["linear"],
        ),
        (Call(lambda self, x: self.w @ x, w=nn.Parameter(torch.ones(4, 8))), ["linear"]),
    ],
)
def test_kinds_of_operations(module: nn.Module, expected: list[str] | None) -> None:
    graph = trace(module, SHAPE)
    if expected is not None:
        assert kinds(graph) == expected
    assert graph.params == count_params(module)
    assert all(layer.flops >= layer.macs for layer in graph.layers)


@pytest.mark.parametrize(
    ("module", "macs"),
    [
        (nn.Conv2d(3, 6, 3, groups=3), 9 * 6 * 36),
        (nn.Conv2d(3, 6, 3, stride=2), 27 * 6 * 9),
        (nn.ConvTranspose2d(3, 2, 2, 2), 3 * 2 * 4 * 64),
        (nn.Linear(8, 5), 3 * 8 * 8 * 5),
        (Call(lambda self, x: self.w @ x, w=nn.Parameter(torch.ones(4, 8))), 3 * 8 * 8 * 4),
        (Call(lambda _, x: functional.scaled_dot_product_attention(x, x, x)), 2 * 3 * 8 * 8 * 8),
    ],
)
def test_multiply_accumulates(module: nn.Module, macs: int) -> None:
    assert trace(module, SHAPE).macs == macs


def test_fused_attention_counts_like_its_two_products() -> None:
    query, key, value = torch.ones(1, 2, 5, 4), torch.ones(1, 2, 7, 4), torch.ones(1, 2, 7, 3)
    out = torch.ones(1, 2, 5, 3)
    name = "_scaled_dot_product_flash_attention_for_cpu"
    layer = read_layer(name, (query, key, value), out, lambda _: True)
    assert (layer.kind, layer.macs) == (Kind.MATMUL, 2 * 5 * 7 * 4 + 2 * 5 * 7 * 3)


def test_concatenation_and_splits_are_followed() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        left, right = self.conv(x).chunk(2, 1)
        return torch.cat([left.relu(), right, x], 1)

    graph = trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), SHAPE)
    assert kinds(graph) == ["conv", "reshape", "reshape", "activation", "concat"]
    assert inputs(graph) == [(), (0,), (1,), (1,), (2,), (4, 3, 0)]
    assert [layer.shape[0] for layer in graph.layers] == [3, 4, 2, 2, 2, 7]


def test_unused_outputs_of_a_split_are_dropped() -> None:
    graph = trace(Call(lambda _, x: x.split(1, 1)[2]), SHAPE)
    assert len(graph.layers) == 2


def test_in_place_operations_are_seen_through_views() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y.flatten(1).relu_()
        return y

    assert kinds(trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), SHAPE)) == ["conv", "activation"]


def test_writing_a_part_depends_on_the_part_and_the_whole() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y[:, :2] += x[:, :2]
        return y

    graph = trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), SHAPE)
    assert sorted(kinds(graph)) == ["add", "conv", "other", "reshape", "reshape"]
    last = graph.layers[-1]
    assert {graph.layers[i].kind for i in last.inputs} == {Kind.CONV, Kind.ADD}


def test_filling_a_blank_is_followed() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        blank = torch.zeros(x.shape[0], 6, 8, 8)
        blank[:, :3] = x.relu()
        blank[:, 3:] = x.sigmoid()
        return blank

    graph = trace(Call(forward), SHAPE)
    assert kinds(graph).count("activation") == 2


def test_overwriting_everything_forgets_the_past() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y.copy_(x)
        return y

    assert kinds(trace(Call(forward, conv=nn.Conv2d(3, 3, 1)), SHAPE)) == []


def test_out_arguments() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        torch.add(x, x.relu(), out=out)
        return out

    graph = trace(Call(forward), SHAPE)
    assert kinds(graph) == ["activation", "add"]
    assert graph.layers[-1].inputs == (0, 1)


def test_dead_branches_are_dropped_unless_asked_for() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.unused(x)
        return self.used(x) + self.fed_by_zero(torch.zeros_like(x))

    module = Call(
        forward,
        unused=nn.Conv2d(3, 3, 1),
        used=nn.Conv2d(3, 3, 1),
        fed_by_zero=nn.Conv2d(3, 3, 3, padding=1, bias=False),
    )
    graph = trace(module, SHAPE)
    assert kinds(graph) == ["conv", "other"]
    whole = trace(module, SHAPE, keep_dead=True)
    assert kinds(whole) == ["conv", "conv", "conv", "other"]
    assert whole.params == count_params(module) == 12 + 12 + 81
    assert whole.flops == (12 + 12 + 81) * 64


def test_an_output_that_ignores_the_input_leaves_the_input_alone() -> None:
    module = Call(lambda self, x: self.conv(torch.zeros_like(x)), conv=nn.Conv2d(3, 3, 1))
    graph = trace(module, SHAPE)
    assert (len(graph.layers), graph.outputs) == (1, (0,))
    assert trace(module, SHAPE, keep_dead=True).flops == 12 * 64


def test_shared_parameters_count_once() -> None:
    conv = nn.Conv2d(3, 3, 1)
    graph = trace(nn.Sequential(conv, nn.ReLU(), conv), SHAPE)
    assert [layer.params for layer in graph.layers] == [0, 12, 0, 0]
    assert [layer.macs for layer in graph.layers] == [0, 576, 0, 576]


def test_computed_weights_carry_their_parameters() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        weight = self.conv.weight
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) * self.gain
        return functional.conv2d(x, weight, self.conv.bias)

    module = Call(forward, conv=nn.Conv2d(3, 4, 3), gain=nn.Parameter(torch.ones(4, 1, 1, 1)))
    graph = trace(module, SHAPE)
    assert kinds(graph) == ["conv"]
    assert graph.params == count_params(module)


def test_squeeze_and_excitation() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.up(functional.relu(self.down(x.mean((2, 3), keepdim=True)))))

    graph = trace(Call(forward, down=nn.Conv2d(3, 1, 1), up=nn.Conv2d(1, 3, 1)), SHAPE)
    expected = ["global_pool", "conv", "activation", "conv", "activation", "mul"]
    assert kinds(graph) == expected


def test_several_outputs() -> None:
    def forward(self: Any, x: torch.Tensor) -> dict[str, Any]:
        return {"a": self.a(x), "b": [self.b(x), 3]}

    graph = trace(Call(forward, a=nn.Conv2d(3, 1, 1), b=nn.Conv2d(3, 1, 1)), SHAPE)
    assert graph.outputs == (1, 2)


def test_python_control_flow_and_constants_may_be_read() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        for rate in torch.linspace(0, 1, 3).tolist():
            if rate > 0.4 and x.shape[-1] == 8 and not self.training:
                x = self.conv(x) + self.held
        return x

    module = Call(forward, conv=nn.Conv2d(3, 3, 1))
    module.held = torch.ones(3, 1, 1)
    assert kinds(trace(module, SHAPE)) == ["conv", "conv"]


def test_norms_that_need_two_images_get_them() -> None:
    module = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3, track_running_stats=False), nn.Conv2d(3, 2, 1)
    )
    graph = trace(module, SHAPE)
    assert kinds(graph) == ["global_pool", "norm", "conv"]
    assert [layer.shape for layer in graph.layers[1:]] == [(3, 1, 1), (3, 1, 1), (2, 1, 1)]
    assert [layer.flops for layer in graph.layers[1:]] == [3 * 81, 6, 6 + 2]


class Stateful(nn.Module):
    """Changes what it can in its forward, and raises when told to."""

    calls: torch.Tensor

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout())
        self.register_buffer("calls", torch.zeros(()))
        self.held = torch.zeros(3, 1, 1)
        self.raises = raises

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.calls = self.calls + 1
        self.held.add_(x.sum((0, 2, 3))[:, None, None])
        x = self.body(x) + torch.rand(1)
        if self.raises:
            raise ValueError("told\nto")
        return x


@pytest.mark.parametrize("raises", [False, True])
def test_the_module_is_left_as_it_was(raises: bool) -> None:
    module = Stateful(raises=raises)
    module.body[0].weight.requires_grad_(False)
    module.body[1].eval()
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    before = {name: (tensor, tensor.detach().clone()) for name, tensor in tensors.items()}
    flags = [child.training for child in module.modules()]
    generator = torch.get_rng_state()
    if raises:
        with pytest.raises(InputError, match="told") as caught:
            trace(module, SHAPE)
        assert "\n" not in str(caught.value)
    else:
        trace(module, SHAPE)
    after = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert list(after) == list(before)
    for name, (tensor, value) in before.items():
        assert after[name] is tensor
        torch.testing.assert_close(after[name].detach(), value, rtol=0, atol=0)
        assert tensor.grad is None
    assert not module.body[0].weight.requires_grad
    assert [child.training for child in module.modules()] == flags
    assert torch.equal(module.held, torch.zeros(3, 1, 1))
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.is_grad_enabled()
    assert not any(child._forward_hooks for child in module.modules())
    assert module(torch.ones(2, 3, 8, 8)).device.type == "cpu" if not raises else True


def reads_values(**children: nn.Module | nn.Parameter) -> Call:
    return Call(lambda m, x: m.conv(x) if m.conv(x).sum() > 1e9 else m.conv(x).relu(), **children)


def test_a_forward_that_reads_values_takes_its_path() -> None:
    convolution = nn.Conv2d(3, 3, 1)
    module = reads_values(conv=convolution)
    assert kinds(trace(module, SHAPE)) == ["conv", "activation"]
    nn.init.constant_(convolution.get_parameter("bias"), 1e9)
    assert kinds(trace(module, SHAPE)) == ["conv"]


def test_on_the_meta_device_a_forward_that_reads_values_is_refused_in_one_line() -> None:
    module = reads_values(conv=nn.Conv2d(3, 3, 1, device="meta"))
    with pytest.raises(InputError, match="got Call that fails on images") as caught:
        trace(module, SHAPE)
    assert "\n" not in str(caught.value)


def test_a_wrong_input_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"got Conv2d that fails on images \(1, 8, 8\)"):
        trace(nn.Conv2d(3, 3, 1), (1, 8, 8))


def test_other_dtypes() -> None:
    assert kinds(trace(nn.Conv2d(3, 3, 1).double(), SHAPE)) == ["conv"]
    assert kinds(trace(nn.Conv2d(3, 3, 1).bfloat16(), SHAPE)) == ["conv"]


def test_adaptive_pooling_with_uneven_windows() -> None:
    # Rows 0..2, 2..5, 5..7 of 8: windows of 3, 4 and 3 rows.
    graph = trace(nn.AdaptiveAvgPool2d(3), SHAPE)
    assert graph.layers[1].flops == 3 * (4 + 5 + 4) ** 2


@pytest.mark.slow
def test_published_params_and_flops_of_sampled_cells(shared: Path) -> None:
    for dataset, classes, side in (("cifar10", 10, 32), ("ImageNet16-120", 120, 16)):
        path = shared / "oracles" / f"naslib_proxies_nats_tss_{dataset}.parquet"
        for row in pl.read_parquet(path).sample(20, seed=3).iter_rows(named=True):
            module = TopologyNetwork(parse_cell(row["arch"]), classes)
            assert count_params(module) / 1e6 == row["params"]
            assert trace(module, (3, side, side), keep_dead=True).flops / 1e6 == row["flops"]


def test_published_params_and_flops_are_linear_in_the_operations(shared: Path) -> None:
    """With the counts of five cells, each checked by tracing, all rows follow."""
    table = pl.read_parquet(shared / "oracles" / "naslib_proxies_nats_tss_cifar10.parquet")
    names = ("skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
    cells = [(name, *["skip_connect"] * 5) for name in names]
    modules = [TopologyNetwork(cell, 10) for cell in cells]
    for column, counts in (
        ("params", [count_params(module) for module in modules]),
        ("flops", [trace(module, (3, 32, 32), keep_dead=True).flops for module in modules]),
    ):
        total = pl.lit(counts[0])
        for name, count in zip(names[1:], counts[1:], strict=True):
            total = total + pl.col("arch").str.count_matches(f"{name}~") * (count - counts[0])
        wrong = table.filter((total.cast(pl.Int64) / 1e6 - pl.col(column)).abs() > 1e-9)
        assert wrong.height == 0, wrong
    assert min(table["flops"]) == pytest.approx(7.943872, rel=1e-9)
