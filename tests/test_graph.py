from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acorn.errors import InvalidArchitectureError
from acorn.graph import Kind, Layer, LayerGraph

INPUT = Layer(Kind.INPUT, shape=(3, 8, 8))
CONV = Layer(
    Kind.CONV,
    (0,),
    (4, 8, 8),
    kernel=(3, 3),
    stride=(1, 1),
    dilation=(1, 1),
    in_channels=3,
    out_channels=4,
    params=108,
    macs=6912,
    flops=6912,
)
POOL = Layer(Kind.MAX_POOL, (1,), (4, 4, 4), kernel=(2, 2), stride=(2, 2), dilation=(1, 1))


def test_totals_and_consumers() -> None:
    graph = LayerGraph((INPUT, CONV, Layer(Kind.ADD, (1, 1), (4, 8, 8))), (2,))
    assert (graph.params, graph.macs, graph.flops) == (108, 6912, 6912)
    assert graph.consumers == ((1,), (2, 2), ())


def test_layer_quantities() -> None:
    assert (CONV.elements, CONV.positions, CONV.area, CONV.grouped) == (256, 64, 9, False)
    tokens = Layer(Kind.LINEAR, (0,), (16, 10), in_channels=3, out_channels=10)
    assert (tokens.positions, tokens.area) == (16, 1)


def test_live_drops_what_reaches_no_output_and_renames_the_rest() -> None:
    dead = replace(CONV, params=7)
    graph = LayerGraph((INPUT, dead, CONV, replace(POOL, inputs=(2,))), (3,)).live()
    assert graph == LayerGraph((INPUT, CONV, POOL), (2,))


def test_live_keeps_the_input_when_nothing_reads_it() -> None:
    constant = Layer(Kind.OTHER, (), (5,))
    assert LayerGraph((INPUT, constant), (1,)).live() == LayerGraph((INPUT, constant), (1,))


@pytest.mark.parametrize(
    ("layers", "outputs", "expected"),
    [
        ((), (0,), "an input as the first"),
        ((CONV,), (0,), "an input as the first"),
        ((INPUT,), (), "at least one"),
        ((INPUT,), (1,), "an index below 1"),
        ((INPUT,), (-1,), "an index below 1"),
        ((INPUT, replace(INPUT, inputs=(0,))), (1,), "nowhere else"),
        ((replace(INPUT, inputs=(0,)),), (0,), "without inputs"),
        ((INPUT, replace(CONV, inputs=(1,))), (1,), "earlier in the order"),
        ((INPUT, replace(CONV, inputs=(-1,))), (1,), "earlier in the order"),
        ((INPUT, replace(CONV, shape=(4, -8, 8))), (1,), "not negative"),
        ((INPUT, replace(CONV, stride=(0, 1))), (1,), "at least 1"),
        ((INPUT, replace(CONV, groups=0)), (1,), "at least 1"),
        ((INPUT, replace(CONV, params=-1)), (1,), "not negative"),
        ((INPUT, replace(CONV, out_channels=0)), (1,), "at least 1"),
        ((INPUT, replace(CONV, stride=(1,))), (1,), "the same axes"),
        ((INPUT, replace(CONV, kernel=(), stride=(), dilation=())), (1,), "a kernel"),
        ((INPUT, CONV, replace(POOL, shape=(4, 4))), (2,), "a kernel"),
        ((INPUT, replace(CONV, groups=2)), (1,), "divide"),
        ((INPUT, replace(CONV, kind=Kind.DEPTHWISE_CONV)), (1,), "depthwise_conv where"),
        ((INPUT, replace(CONV, groups=3, out_channels=6)), (1,), "depthwise_conv where"),
    ],
)
def test_unsound_graphs_are_refused_in_one_line(
    layers: tuple[Layer, ...], outputs: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(InvalidArchitectureError, match=expected) as caught:
        LayerGraph(layers, outputs)
    assert "\n" not in str(caught.value)


@given(st.lists(st.lists(st.integers(-2, 12), max_size=3), max_size=10), st.integers(-2, 12))
def test_any_wiring_is_either_sound_or_refused(wiring: list[list[int]], output: int) -> None:
    layers = (INPUT, *(Layer(Kind.ADD, tuple(sources), (3, 8, 8)) for sources in wiring))
    ordered = all(0 <= s < i for i, layer in enumerate(layers) for s in layer.inputs)
    if ordered and 0 <= output < len(layers):
        graph = LayerGraph(layers, (output,))
        assert graph.live().live() == graph.live()
        assert len(graph.live().layers) <= len(layers)
    else:
        with pytest.raises(InvalidArchitectureError):
            LayerGraph(layers, (output,))
