"""Networks of declared graphs: one module a node, from a fixed table."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from acorn.spaces.graph.layers import resolve_classes
from acorn.spaces.graph.node_operations import ACTIVATIONS, Shape, same_padding
from acorn.spaces.graph.node_options import Options
from acorn.spaces.graph.spec import INPUT, GraphSpec


class GraphNetwork(nn.Module):
    """Evaluates the nodes of a declared graph in order.

    Initialised as torch does by default.

    Parameters
    ----------
    spec : GraphSpec
        The checked graph.
    shapes : mapping of str to tuple
        Output shape of each node and of the images, without the batch.
    num_classes : int
        Width of the logits.
    """

    def __init__(self, spec: GraphSpec, shapes: Mapping[str, Shape], num_classes: int) -> None:
        super().__init__()
        self.resolution = spec.resolution
        places = {INPUT: 0} | {node.name: place for place, node in enumerate(spec.nodes, 1)}
        self.sources = [[places[name] for name in node.inputs] for node in spec.nodes]
        self.output = places[spec.output]
        self.operations = nn.ModuleList(
            _MODULES[node.op](resolve_classes(node.options, num_classes), shapes[node.inputs[0]])
            for node in spec.nodes
        )
        last = {source: reader for reader, sources in enumerate(self.sources) for source in sources}
        self.done = [
            [source for source in {*sources} if last[source] == reader]
            for reader, sources in enumerate(self.sources)
        ]

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        if self.resolution is not None and self.resolution != tuple(x.shape[2:]):
            x = functional.interpolate(x, self.resolution, mode="bilinear", align_corners=False)
        values = {0: x}
        for reader, operation in enumerate(self.operations):
            values[reader + 1] = operation(*(values[source] for source in self.sources[reader]))
            for source in self.done[reader]:
                del values[source]  # so that inference holds no more than it needs
        return values[self.output]


class ChannelNorm(nn.Module):
    """Layer normalisation of the channels at each position, as ConvNeXt has it.

    Maps ``(batch, c, h, w)`` or ``(batch, c)`` to the same shape.
    """

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise with the channels moved to the last axis and back."""
        if x.dim() == 2:
            return self.norm(x)
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Add(nn.Module):
    """Sum of two tensors or more, of one shape."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Add from left to right."""
        for other in others:
            first = first + other
        return first


class Multiply(nn.Module):
    """Product of two tensors or more, element by element; 1 x 1 maps scale whole channels."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Multiply from left to right."""
        for other in others:
            first = first * other
        return first


class Concat(nn.Module):
    """Concatenation of channels."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Join along axis 1."""
        return torch.cat(parts, dim=1)


class Slice(nn.Module):
    """Some of the channels."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """Take channels ``start`` to ``stop``, the latter excluded."""
        return x[:, self.start : self.stop]


class Shuffle(nn.Module):
    """ShuffleNet's permutation: of ``groups`` groups of channels, the first of each, and so on."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """Transpose groups and members."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


_Maker = Callable[[Options, Shape], nn.Module]


def _conv(options: Options, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape[0],
        options.get("out_channels", shape[0] * options.get("multiplier", 1)),
        options["kernel"],
        options["stride"],
        same_padding(options),
        options["dilation"],
        options.get("groups", shape[0]),
        options["bias"],
    )


def _batch_norm(options: Options, shape: Shape) -> nn.Module:
    norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return norm(shape[0], affine=options["affine"])


def _pool(module: Callable[..., nn.Module]) -> _Maker:
    return lambda options, shape: module(  # noqa: ARG005
        **{"kernel_size" if name == "kernel" else name: value for name, value in options.items()}
    )


def _plain(make: Callable[[], nn.Module]) -> _Maker:
    return lambda options, shape: make()  # noqa: ARG005


_MODULES: Mapping[str, _Maker] = {
    "conv": _conv,
    "depthwise_conv": _conv,
    "linear": lambda options, shape: nn.Linear(
        shape[0], options["out_features"], bias=options["bias"]
    ),
    "batch_norm": _batch_norm,
    "layer_norm": lambda options, shape: ChannelNorm(shape[0], affine=options["affine"]),
    "group_norm": lambda options, shape: nn.GroupNorm(
        options["groups"], shape[0], affine=options["affine"]
    ),
    **{name: _plain(getattr(nn, module)) for name, module in ACTIVATIONS.items()},
    "max_pool": _pool(nn.MaxPool2d),
    "avg_pool": _pool(nn.AvgPool2d),
    "global_avg_pool": _plain(lambda: nn.AdaptiveAvgPool2d(1)),
    "global_max_pool": _plain(lambda: nn.AdaptiveMaxPool2d(1)),
    "add": _plain(Add),
    "multiply": _plain(Multiply),
    "concat": _plain(Concat),
    "slice": lambda options, _: Slice(options["start"], options["stop"]),
    "channel_shuffle": lambda options, _: Shuffle(options["groups"]),
    "upsample": lambda options, _: nn.Upsample(scale_factor=options["scale"]),
    "flatten": _plain(nn.Flatten),
    "dropout": _plain(nn.Identity),
    "identity": _plain(nn.Identity),
}
