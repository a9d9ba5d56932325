"""From a network to its declared graph."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from acorn.datasets import DATASETS
from acorn.errors import InputError, InvalidArchitectureError, abbreviate, one_line
from acorn.graph import structure_features, trace_shapes
from acorn.graph.modes import evaluating, transparent_attention
from acorn.graph.replica import replicate
from acorn.spaces.graph.exporting.tracer import Tracer
from acorn.spaces.graph.exporting.values import BATCH, LackingError
from acorn.spaces.graph.layers import lay_out
from acorn.spaces.graph.space import GraphSpace
from acorn.spaces.graph.spec import read_graph
from acorn.spaces.limits import LIMITS

_LARGEST = DATASETS["imagenet1k"]


def export_graph(module: nn.Module, input_shape: Sequence[int]) -> dict[str, Any]:
    """Write the declared graph of a network, which ``POST /predict`` and the other calls take.

    The network runs once on shapes alone, in evaluation mode. The graph has its operations,
    parameters and shapes, not its weights. Values that are no parameters (masks, fixed position
    embeddings, fixed filters) are left out.

    Parameters
    ----------
    module : torch.nn.Module
        Maps images (batch, 3, height, width) to logits (batch, classes). It is not changed.
    input_shape : sequence of int
        (channels, height, width) of one image, in pixels; three channels.

    Returns
    -------
    dict
        ``{"space": "graph", "arch": {...}}``. The network that :func:`acorn.build_network` builds
        of it has the same parameters, FLOPs and structure features.

    Raises
    ------
    InputError
        If the module cannot run on shapes, or the graph space lacks one of its operations; names
        the operation and the module that calls it.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(7200, 10))
    >>> spec = export_graph(network, (3, 32, 32))
    >>> [node["op"] for node in spec["arch"]["nodes"]]
    ['conv', 'relu', 'reshape', 'linear']
    """
    shape = tuple(input_shape)
    if not isinstance(module, nn.Module):
        raise InputError(f"got {type(module).__name__}; expected a torch.nn.Module")
    if len(shape) != 3 or shape[0] != 3 or min(shape) < 1:
        raise InputError(f"got input shape {abbreviate(shape)}; expected (3, height, width)")
    replica = replicate(module, lambda tensor: torch.empty_like(tensor, device="meta"))
    expected = structure_features(trace_shapes(replica, shape))
    for joins_bias in (False, True):
        graph = _fitted(_trace(replica, shape, joins_bias=joins_bias), shape)
        difference = _difference(graph, expected, shape)
        if not difference:
            return {"space": GraphSpace.name, "arch": graph}
    raise InputError(
        f"got a network whose graph has {difference}, which the network has: the graph space "
        "cannot express one of its operations"
    )


def _trace(replica: nn.Module, shape: tuple[int, ...], *, joins_bias: bool) -> dict[str, Any]:
    """Run a module on the meta device, and write its operations."""
    floating = (t.dtype for t in replica.parameters() if t.is_floating_point())
    dtype = next(floating, torch.float32)
    images = torch.empty((BATCH, *shape), device="meta", dtype=dtype)
    tracer = Tracer(images, dict(replica.named_parameters()), joins_bias=joins_bias)
    try:
        with (
            evaluating(replica.modules()),
            _named(replica, tracer),
            torch.random.fork_rng(devices=[]),
            transparent_attention(),
            torch.no_grad(),
            tracer,
        ):
            result = replica(images)
        return tracer.writer.document(tracer.output(result))
    except LackingError as error:
        place = f"module {tracer.module!r}" if tracer.module else "the network"
        raise InputError(
            f"got a network that cannot be written as a graph: {place} {error}"
        ) from None
    except Exception as error:  # a forward may raise anything
        raise InputError(
            f"got {type(replica).__name__} that fails on shapes of {shape} "
            f"({abbreviate(one_line(error), 300)}); expected a forward that reads no values"
        ) from error


@contextmanager
def _named(replica: nn.Module, tracer: Tracer) -> Iterator[None]:
    """Tell a tracer which module runs, inside the block."""
    stack: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _args: object) -> None:
            stack.append(name)
            tracer.module = name

        return hook

    def leave(_module: nn.Module, _args: object, _result: object) -> None:
        stack.pop()
        tracer.module = stack[-1] if stack else ""

    handles = []
    for name, module in replica.named_modules():
        handles.append(module.register_forward_pre_hook(enter(name)))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fitted(graph: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Check a graph; fix the size of the images if it fits no other."""
    space = GraphSpace()
    try:
        space.parse(graph)
    except InvalidArchitectureError:
        graph = graph | {"resolution": [*shape[1:]] if shape[1] != shape[2] else shape[1]}
        space.parse(graph)
    return graph


def _difference(
    graph: dict[str, Any], expected: Mapping[str, float], shape: tuple[int, ...]
) -> str:
    """Compare the declared layers with those of the network; empty if they are equal."""
    limits = LIMITS.at(_LARGEST)
    declared = lay_out(read_graph(json.dumps(graph), limits), shape, 1, limits)
    features = structure_features(declared.graph)
    for name, value in expected.items():
        if not math.isclose(features[name], value, rel_tol=1e-6, abs_tol=1e-9):
            return f"{name} = {features[name]:g}; expected {value:g}"
    return ""
