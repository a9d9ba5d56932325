"""Declared graphs that the tests share."""

from typing import Any

Graph = dict[str, Any]


class Drawing:
    """Writes nodes one behind the other; each method returns the name of its node."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def add(self, op: str, *inputs: str, **options: object) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append({"name": name, "op": op, "inputs": list(inputs), **options})
        return name

    def conv(
        self, x: str, width: int, kernel: int = 1, act: str = "relu", **options: object
    ) -> str:
        options = {"padding": "same", "bias": False} | options
        x = self.add("conv", x, out_channels=width, kernel=kernel, **options)
        return self.add(act, self.add("batch_norm", x))

    def finish(self, x: str) -> Graph:
        x = self.add("dropout", self.add("flatten", self.add("global_avg_pool", x)), p=0.2)
        return {"nodes": self.nodes, "output": self.add("linear", x, out_features="classes")}


def residual() -> Graph:
    """Two basic blocks of a ResNet."""
    draw = Drawing()
    x = draw.conv("input", 8, 3)
    for width, stride in ((8, 1), (16, 2)):
        y = draw.conv(x, width, 3, stride=stride)
        y = draw.add("batch_norm", draw.add("conv", y, out_channels=width, kernel=3, padding=1))
        if stride != 1:
            x = draw.add("conv", x, out_channels=width, kernel=1, stride=stride, bias=False)
        x = draw.add("relu", draw.add("add", x, y))
    return draw.finish(x)


def mobile() -> Graph:
    """A MobileNetV3 block with squeeze and excitation."""
    draw = Drawing()
    x = draw.conv("input", 8, 3, "hardswish", stride=2)
    y = draw.conv(x, 24, 1, "hardswish")
    y = draw.add("depthwise_conv", y, kernel=5, padding="same", bias=False)
    y = draw.add("hardswish", draw.add("batch_norm", y))
    gate = draw.add("global_avg_pool", y)
    gate = draw.add("relu", draw.add("conv", gate, out_channels=6, kernel=1))
    gate = draw.add("hardsigmoid", draw.add("conv", gate, out_channels=24, kernel=1))
    y = draw.add("multiply", y, gate)
    y = draw.add("batch_norm", draw.add("conv", y, out_channels=8, kernel=1, bias=False))
    return draw.finish(draw.add("add", y, x))


def shuffle() -> Graph:
    """A ShuffleNetV2 unit, and an inception block behind it."""
    draw = Drawing()
    x = draw.conv("input", 8, 3)
    left = draw.add("slice", x, start=0, stop=4)
    right = draw.conv(draw.add("slice", x, start=4, stop=8), 4, 3, groups=2)
    x = draw.add("channel_shuffle", draw.add("concat", left, right), groups=2)
    branches = [
        draw.conv(x, 4),
        draw.conv(x, 6, 3, dilation=2),
        draw.add("avg_pool", x, kernel=3, stride=1, padding=1, count_include_pad=False),
        draw.add("max_pool", x, kernel=3, stride=1, padding=1),
    ]
    x = draw.add("concat", *branches)
    x = draw.add("upsample", draw.add("max_pool", x, kernel=2), scale=2)
    return draw.finish(x)


def modern() -> Graph:
    """A ConvNeXt block, resized images, other norms and activations, a head of two layers."""
    draw = Drawing()
    x = draw.add("conv", "input", out_channels=8, kernel=[4, 2], stride=[4, 2], padding=[0, 1])
    x = draw.add("layer_norm", x)
    y = draw.add("layer_norm", draw.add("depthwise_conv", x, kernel=7, padding=3, multiplier=2))
    y = draw.add("gelu", draw.add("conv", y, out_channels=32, kernel=1))
    y = draw.add("conv", y, out_channels=8, kernel=1)
    x = draw.add("add", x, y, x)
    x = draw.add("group_norm", draw.add("silu", x), groups=4, affine=False)
    x = draw.add("flatten", draw.add("global_max_pool", x))
    x = draw.add("linear", x, out_features=12, bias=False)
    x = draw.add("tanh", draw.add("batch_norm", x, affine=False))
    graph = {"nodes": draw.nodes, "output": draw.add("linear", x, out_features="classes")}
    return graph | {"resolution": [24, 20]}


GRAPHS = {make.__name__: make() for make in (residual, mobile, shuffle, modern)}
