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


def tokens() -> Graph:
    """Attention over patches with a class token, and a head of two experts."""
    draw = Drawing()
    x = draw.add("adaptive_avg_pool", "input", size=8)
    x = draw.add("conv", x, out_channels=12, kernel=2, stride=2)
    x = draw.add("permute", draw.add("reshape", x, shape=[12, 16]), axes=[2, 1])
    x = draw.add("concat", draw.add("parameter", shape=[1, 12], size=12), x, axis=1)
    x = draw.add("add", x, draw.add("parameter", shape=[17, 12], size=17 * 12))
    y = draw.add("layer_norm", x, axes=1, bias=False)
    y = draw.add("linear", y, out_features=36, axis=2, bias_size=24)
    y = draw.add("permute", draw.add("reshape", y, shape=[17, 3, 2, 6]), axes=[2, 3, 1, 4])
    query, key, value = (draw.add("select", y, axis=1, index=index) for index in range(3))
    key = draw.add("scale", draw.add("permute", key, axes=[1, 3, 2]), factor=0.4)
    scores = draw.add("matmul", query, key)
    bias = draw.add("parameter", shape=[2, 17, 17], size=50)
    scores = draw.add("softmax", draw.add("add", scores, bias), axis=3)
    y = draw.add("permute", draw.add("matmul", scores, value), axes=[2, 1, 3])
    y = draw.add("linear", draw.add("reshape", y, shape=[17, 12]), out_features=12, axis=2)
    y = draw.add("multiply", y, draw.add("parameter", shape=[1, 12], size=12))
    x = draw.add("batch_norm", draw.add("add", x, y), axis=2)
    first = draw.add("select", x, axis=1, index=0)
    mean = draw.add("reduce", draw.add("slice", x, start=1, stop=17), function="mean", axes=[1])
    gate = draw.add("reshape", draw.add("sigmoid", mean), shape=[1, 12])
    gate = draw.add("conv1d", gate, out_channels=1, kernel=3, padding=1, bias=False)
    mean = draw.add("divide", mean, draw.add("reshape", gate, shape=[12]))
    x = draw.add("subtract", first, draw.add("clamp", mean, min=-1, max=1))
    return {"nodes": draw.nodes, "output": draw.add("linear", x, out_features="classes")}


def moving() -> Graph:
    """Shifted windows, patches, resized and padded maps, and functions of single elements."""
    draw = Drawing()
    x = draw.conv(draw.add("adaptive_max_pool", "input", size=[8, 8]), 8, 3, gain=True)
    x = draw.add("roll", x, axes=[2, 3], shifts=[-2, 3])
    x = draw.add("flip", draw.add("prelu", x, slopes=8), axes=[3])
    x = draw.add("fold", draw.add("unfold", x, kernel=2, stride=2), size=8, kernel=2, stride=2)
    two = draw.add("reshape", x, shape=[2, 4, 8, 8])
    two = draw.add("conv", two, out_channels=4, kernel=3, padding=1, groups=4)
    two = draw.add("batch_norm", two)
    two = draw.add("avg_pool", two, kernel=3, stride=1, padding=1)
    x = draw.add("add", x, draw.add("reshape", two, shape=[8, 8, 8]))
    x = draw.add("pad", x, padding=[1, 1, 0, 2], mode="reflect")
    x = draw.add("conv", x, out_channels=8, kernel=3, groups=8, bias=False, learned=False)
    x = draw.add("max_pool", x, kernel=3, stride=2, dilation=[1, 1], ceil_mode=True)
    y = draw.add("windows", x, axis=2, size=2, step=2)
    y = draw.add("reduce", y, function="norm", axes=[4], keepdim=False)
    y = draw.add("resize", y, size=[4, 4], mode="bilinear")
    y = draw.add("multiply", y, draw.add("expand", draw.add("global_avg_pool", x), shape=[8, 4, 4]))
    y = draw.add("function", draw.add("function", y, function="abs"), function="sqrt")
    x = draw.add("reduce", y, function="max", axes=[1], keepdim=True)
    scale = draw.add("parameter", shape=[8, 1, 1], size=8)
    shift = draw.add("parameter", shape=[8, 1, 1], size=0)
    y = draw.add("function", shift, scale, y, function="addcmul")
    return draw.finish(draw.add("concat", x, y))


GRAPHS = {make.__name__: make() for make in (residual, mobile, shuffle, modern, tokens, moving)}
