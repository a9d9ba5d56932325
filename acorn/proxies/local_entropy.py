"""local_entropy: information in a window of a feature map, from topology alone."""

import math
from functools import lru_cache

from acorn.graph import CONVOLUTIONS, POOLS, Kind, LayerGraph
from acorn.proxies._engine import GRAPH, Records, proxy

WINDOW = 3
"""Side of the local window."""

IMAGE_CORRELATION = 0.9
"""Correlation of neighbouring pixels of a photograph."""

FLOOR = 0.01
"""Variance below which a feature is a bias: the noise that entropy is measured against."""

_State = tuple[float, float]
"""Variance, and correlation of neighbouring positions, of a feature map."""


@proxy("local_entropy", reads=GRAPH)
def local_entropy(records: Records) -> float:
    """Sum over convolutions of the information in a 3 x 3 window of their output, in nats a value.

    This is our derivation after the premise of SED (whose formula is not ours to copy): large
    pooling windows, small kernels and many skips lower the entropy of feature maps in a local
    window, until they are no more than a bias.

    Each feature map is a stationary Gaussian field with variance v and correlation r of
    neighbouring positions (r^d at distance d, both axes alike). A w x w window of it has, a
    value, the one-dimensional entropy log(2 pi e v) / 2, which the dependence within the window
    lowers by (1 - 1/w) log(1 / (1 - r^2)). Measured against a floor of noise that is
    log(1 + v (1 - r^2)^(2 - 2/w) e^(2 m) / 0.01) / 2, which is 0 for a bias. Through the layers:

    - the image has v = 1, r = 0.9;
    - a rectifier takes r to the centred arc-cosine kernel of it;
    - a pooling over p positions at stride s averages: v and r become those of the moving average
      of the field, at distance s;
    - a norm takes v to 1; a sum adds v and averages r by v, for its terms mix as if independent:
      a skip brings back the smoother past;
    - a convolution keeps v and r, but its outputs in the window are random combinations of the
      inputs that it sees, and m is what they lose by lying close to each other: half of the mean
      log eigenvalue of a Wishart matrix, ((g - 1) log(1 - g) / g - 1) / 2, where g is outputs over
      inputs, out w^2 over in (w + k - 1)^2; from g = 1 on it is -1/2 - log(g) / 2. The larger the
      kernel, the more inputs there are and the less is lost.

    Cost: one pass over the layer graph in pure Python, under a millisecond, and the run on
    shapes that GRAPH needs. Maps without two axes count as one position.
    """
    return information(records.graph)


def information(graph: LayerGraph) -> float:
    """Sum up a layer graph's convolutions; see :func:`local_entropy`."""
    states: list[_State] = [(1.0, IMAGE_CORRELATION)]
    total = 0.0
    for layer in graph.layers[1:]:
        kind = layer.kind
        sources = layer.inputs
        if len(sources) == 1:
            variance, correlation = states[sources[0]]
        elif not sources:
            variance, correlation = 0.0, 0.0
        else:
            variance = correlation = 0.0
            for source in sources:
                v, r = states[source]
                variance += v
                correlation += v * r
            correlation = correlation / variance if variance else 0.0
            if kind is Kind.CONCAT:
                variance /= len(sources)
        if kind is Kind.ACTIVATION:
            correlation = _rectified(correlation)
        elif kind is Kind.NORM:
            variance = 1.0 if variance else 0.0
        elif kind in POOLS:
            variance, correlation = _pooled(variance, correlation, layer.kernel[0], layer.stride[0])
        elif kind in CONVOLUTIONS:
            if layer.stride[0] > 1:
                correlation **= layer.stride[0]
            ratio = layer.out_channels / layer.in_channels
            loss = _mixing_loss(ratio * layer.groups, layer.kernel[0])
            free = variance * (1 - correlation * correlation) ** (2 - 2 / WINDOW)
            total += 0.5 * math.log1p(free * loss / FLOOR)
        states.append((variance, correlation))
    return total


def _rectified(correlation: float) -> float:
    """Correlation of rectified Gaussians (arc-cosine kernel of degree one, centred)."""
    angle = math.acos(correlation)
    kernel = math.sqrt(1 - correlation * correlation) + correlation * (math.pi - angle)
    return max(0.0, (kernel - 1) / (math.pi - 1))


def _pooled(variance: float, correlation: float, size: int, stride: int) -> _State:
    """Variance and correlation of a moving average over ``size`` positions of each axis."""
    here = there = 0.0
    for lag in range(1 - size, size):
        weight = size - abs(lag)
        here += weight * correlation ** abs(lag)
        there += weight * correlation ** abs(lag + stride)
    return variance * (here / size**2) ** 2, there / here


@lru_cache(maxsize=4096)
def _mixing_loss(channels: float, kernel: int) -> float:
    """e^(2 m): what independent random combinations keep of their inputs' entropy power."""
    ratio = channels * (WINDOW / (WINDOW + kernel - 1)) ** 2
    if ratio < 1:
        return math.exp((ratio - 1) / ratio * math.log(1 - ratio) - 1)
    return math.exp(-1) / ratio
