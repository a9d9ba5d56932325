"""Generates images with the statistics of small photographs, from occluding shapes.

The dead leaves model drops opaque shapes on each other, with sizes r of density r^-3. Such images
share with photographs the properties that untrained networks respond to: scale invariance (a power
spectrum near 1/f^2), occlusion edges and sparse gradients. To resemble *photographs of objects*,
the shapes lie in three layers: a backdrop with an occasional horizon, clutter that is often out of
focus, and an object near the centre. They have shading and fractal texture. Their colours vary
mostly in luminance, less from red to blue and least from green to magenta. The mean and contrast of
each image are drawn from distributions like those of CIFAR. Images of one class have similar
colours, shapes and orientations.

Every platform and library version must generate the same bytes, because a hash identifies a batch.
Random bits are therefore the raw output of Philox, keyed by SHA-256; arithmetic is elementwise
``+ - * /`` and ``sqrt``, which IEEE 754 defines exactly; sums are of integers; pixels are quantised
to 8 bits.

References
----------
D. L. Ruderman, "Origins of scaling in natural images", Vision Research 37, 1997.
A. B. Lee, D. Mumford, J. Huang, "Occlusion models for natural images: a statistical study of a
scale-invariant dead leaves model", IJCV 41, 2001.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acorn.batches.stream import Floats, Stream

_SUPERSAMPLING = 3
_OCTAVES = (2, 4, 8, 16, 32)
# Opponent axes, rows of unit length; luminance is a separate value.
_RED_BLUE = np.array([1.0, 0.0, -1.0]) / np.sqrt(2.0)
_GREEN_MAGENTA = np.array([-1.0, 2.0, -1.0]) / np.sqrt(6.0)
# Quantiles, at these shares, of the mean luminance of images and of its standard deviation.
_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_MEANS = (0.18, 0.27, 0.38, 0.46, 0.54, 0.68, 0.82)
_CONTRASTS = (0.06, 0.105, 0.16, 0.21, 0.26, 0.325, 0.40)
# Steps of an additive sequence in three dimensions: powers of the root of x^4 = x + 1.
_STEPS = np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703])
_SATURATIONS = (0.05, 0.25, 0.7, 1.15, 1.6, 2.6, 4.0)


@dataclass(frozen=True, slots=True)
class _Style:
    """Properties that the images of one class share."""

    tone: float  # shift of the mean luminance's quantile
    backdrop: Floats  # (3,) luminance, red-blue, green-magenta
    object: Floats  # (3,)
    horizon: float  # probability
    aspect: float  # of the object's shapes: 1 is round
    axis: Floats  # (2,) of the object's shapes
    box: float  # share of boxes among the object's shapes
    clutter: float  # expected number of shapes behind the object, of 1


def _balanced(seed: int, name: str, index: int) -> Floats:
    """Point (3,) of a low-discrepancy sequence, of which few points are spread evenly."""
    start = Stream("dead leaves", seed, name).uniform(3)
    point: Floats = (start + _STEPS * (index + 1)) % 1.0
    return point


def _style(seed: int, label: int) -> _Style:
    stream = Stream("dead leaves", seed, "class", label)
    scalars = stream.uniform(5)
    upright = scalars[4] < 0.7
    axis = np.array([1.0, 0.0]) if upright else stream.direction()
    return _Style(
        tone=0.45 * (float(_balanced(seed, "tones", label)[0]) - 0.5),
        backdrop=stream.bell(3) * np.array([1.0, 0.9, 0.5]),
        object=stream.bell(3) * np.array([0.7, 0.7, 0.4]),
        horizon=float(scalars[0]),
        aspect=float(1.0 + 1.6 * scalars[1] * scalars[1]),
        axis=axis,
        box=float(scalars[2]),
        clutter=float(scalars[3]),
    )


def _quantile(values: tuple[float, ...], share: float) -> float:
    """Piecewise linear inverse of a distribution function known at ``_SHARES``."""
    share = min(max(share, 0.0), 1.0)
    for k in range(len(_SHARES) - 1):
        if share <= _SHARES[k + 1]:
            part = (share - _SHARES[k]) / (_SHARES[k + 1] - _SHARES[k])
            return values[k] + part * (values[k + 1] - values[k])
    return values[-1]


def _enlarge(lattice: Floats, side: int) -> Floats:
    """Interpolate (n, n, ...) values at the corners of a grid to (side, side, ...) pixels."""
    n = lattice.shape[0] - 1
    at = (np.arange(side) + 0.5) / side * n
    low = np.floor(at).astype(np.int64)
    part = at - low
    smooth = part * part * (3.0 - 2.0 * part)
    shape = (side,) + (1,) * (lattice.ndim - 1)
    rows = lattice[low] + smooth.reshape(shape) * (lattice[low + 1] - lattice[low])
    shape = (1, side) + (1,) * (lattice.ndim - 2)
    pixels: Floats = rows[:, low] + smooth.reshape(shape) * (rows[:, low + 1] - rows[:, low])
    return pixels


def _fractal(stream: Stream, side: int, roughness: float) -> Floats:
    """Make noise of shape (side, side), each octave ``roughness`` times as high as the last."""
    total = np.zeros((side, side))
    height = 1.0
    norm = 0.0
    for cells in _OCTAVES:
        total = total + height * _enlarge(stream.bell(cells + 1, cells + 1), side)
        norm += height * height
        height *= roughness
    noise: Floats = total / np.sqrt(norm)
    return noise


def _soften(image: Floats, times: int) -> Floats:
    """Blur (h, w, ...) with [1 2 1]/4 along both axes, the border repeated."""
    for _ in range(times):
        for axis in (0, 1):
            moved = np.moveaxis(image, axis, 0)
            before = np.concatenate([moved[:1], moved[:-1]])
            after = np.concatenate([moved[1:], moved[-1:]])
            image = np.moveaxis((before + 2.0 * moved + after) * 0.25, 0, axis)
    return image


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Shapes to paint in order; every array's first axis counts the shapes."""

    centre: Floats  # (n, 2) x, y in 0..1
    axis: Floats  # (n, 2) unit vectors
    radii: Floats  # (n, 2) along the axis and across
    box: NDArray[np.bool_]  # (n,) boxes; the others are ellipses with a wavy border
    wave: Floats  # (n,) how wavy
    colour: Floats  # (n, 3)
    shade: Floats  # (n, 2) slope of luminance
    texture: Floats  # (n,) gain of the texture


def _paint(canvas: Floats, leaves: _Leaves, texture: Floats) -> None:
    """Paint each shape over the (side, side, 3) canvas."""
    side = canvas.shape[0]
    grid = (np.arange(side) + 0.5) / side
    for k in range(len(leaves.box)):
        reach = 1.5 * float(leaves.radii[k].max())
        x0, x1 = _span(float(leaves.centre[k, 0]), reach, side)
        y0, y1 = _span(float(leaves.centre[k, 1]), reach, side)
        if x0 >= x1 or y0 >= y1:
            continue
        dx = (grid[x0:x1] - leaves.centre[k, 0])[None, :]
        dy = (grid[y0:y1] - leaves.centre[k, 1])[:, None]
        u = (dx * leaves.axis[k, 0] + dy * leaves.axis[k, 1]) / leaves.radii[k, 0]
        v = (dy * leaves.axis[k, 0] - dx * leaves.axis[k, 1]) / leaves.radii[k, 1]
        grain = texture[y0:y1, x0:x1]
        if leaves.box[k]:
            inside = np.maximum(np.abs(u), np.abs(v)) < 0.88
        else:
            inside = u * u + v * v + leaves.wave[k] * grain < 1.0
        patch = canvas[y0:y1, x0:x1]
        light = leaves.texture[k] * grain + leaves.shade[k, 0] * u + leaves.shade[k, 1] * v
        patch[..., 0] = np.where(inside, leaves.colour[k, 0] + light, patch[..., 0])
        patch[..., 1] = np.where(inside, leaves.colour[k, 1] + 0.15 * light, patch[..., 1])
        patch[..., 2] = np.where(inside, leaves.colour[k, 2], patch[..., 2])


def _span(centre: float, reach: float, side: int) -> tuple[int, int]:
    low, high = int((centre - reach) * side), int((centre + reach) * side) + 2
    return max(low, 0), min(high, side)


def _backdrop(stream: Stream, style: _Style, texture: Floats) -> tuple[Floats, Floats]:
    """Make a canvas (side, side, 3) of one or two regions; also the colour (3,) of the first."""
    side = texture.shape[0]
    spread = np.array([1.1, 0.85, 0.5])
    upper = style.backdrop + stream.bell(3) * spread
    lower = upper + stream.bell(3) * np.array([1.5, 0.9, 0.5]) - np.array([0.35, 0.0, 0.0])
    chance = stream.uniform(6)
    line = 0.25 + 0.6 * chance[0]
    tilt = 0.25 * float(stream.bell(1)[0])
    grid = (np.arange(side) + 0.5) / side
    height = grid[:, None] - line + tilt * (grid[None, :] - 0.5)
    width = 0.01 + 0.25 * chance[1] * chance[1]
    mix = np.minimum(np.maximum(height / width + 0.5, 0.0), 1.0)
    mix = mix * float(chance[2] < 0.25 + 0.6 * style.horizon)
    canvas = upper + mix[..., None] * (lower - upper)
    slope = stream.bell(2) * np.array([0.8, 0.8]) + np.array([0.0, 0.1])
    light = slope[0] * (grid[None, :] - 0.5) + slope[1] * (0.5 - grid[:, None])
    plain = 0.25 + 1.9 * chance[3] * chance[4]
    canvas[..., 0] += light + (plain + (0.9 * chance[5] - plain * 0.5) * mix) * texture
    return canvas, upper


def _clutter(stream: Stream, style: _Style, around: Floats) -> _Leaves:
    """Draw shapes of every size anywhere, coloured about the backdrop."""
    chance = stream.uniform(2)
    n = int(90.0 * chance[0] * chance[1] * (0.4 + 1.2 * style.clutter))
    # A density r^-3 between two sizes is a uniform one of r^-2.
    size = 1.0 / np.sqrt(5.0 + stream.uniform(n) * (250.0 - 5.0))
    colour = around + stream.bell(n, 3) * np.array([0.9, 0.7, 0.45])
    return _Leaves(
        centre=stream.uniform(n, 2) * 1.2 - 0.1,
        axis=np.ascontiguousarray(stream.direction(n).T),
        radii=size[:, None] * (0.5 + 1.2 * stream.uniform(n, 2)),
        box=stream.uniform(n) < 0.3,
        wave=0.6 * stream.uniform(n),
        colour=colour,
        shade=0.3 * stream.bell(n, 2),
        texture=0.2 + 1.1 * stream.uniform(n),
    )


def _object(stream: Stream, style: _Style) -> _Leaves:
    """Draw a large shape about the centre, and smaller ones on and beside it."""
    chance = stream.uniform(4)
    n = 10 + int(50.0 * chance[0] * chance[1])
    size = 1.0 / np.sqrt(20.0 + stream.uniform(n) * (400.0 - 20.0))
    order = np.argsort(-size, kind="stable")
    size = size[order]
    size[0] = 0.14 + 0.3 * chance[2]
    middle = 0.5 + stream.bell(2) * 0.1
    centre = middle + stream.bell(n, 2) * (0.06 + 0.55 * size[0])
    centre[0] = middle
    tilt = stream.bell(n) * 0.18
    along = np.stack(
        [style.axis[0] - tilt * style.axis[1], style.axis[1] + tilt * style.axis[0]], axis=1
    )
    along = along / np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:])
    free = stream.uniform(n) < 0.35
    axis = np.where(free[:, None], stream.direction(n).T, along)
    stretch = np.sqrt(style.aspect * (0.6 + 0.8 * stream.uniform(n)))
    thin = np.where(stream.uniform(n) < 0.3, 2.2, 1.0)
    stretch[1:] = stretch[1:] * thin[1:]
    body = style.object + stream.bell(3) * np.array([0.8, 0.9, 0.45])
    colour = body + stream.bell(n, 3) * np.array([0.95, 0.7, 0.4])
    colour[0] = body
    return _Leaves(
        centre=centre,
        axis=axis,
        radii=np.stack([size * stretch, size / stretch], axis=1),
        box=stream.uniform(n) < 0.1 + 0.6 * style.box,
        wave=0.1 + 0.7 * stream.uniform(n) * (0.5 + chance[3]),
        colour=colour,
        shade=0.4 * stream.bell(n, 2),
        texture=0.45 + 1.6 * chance[3] * stream.uniform(n),
    )


def _whole(values: Floats) -> NDArray[np.int64]:
    """Values in units of 2^-20, whose sums do not depend on the order of summation."""
    return np.floor(values * 2.0**20 + 0.5).astype(np.int64)


def _moments(luminance: Floats) -> tuple[float, float]:
    """Mean and standard deviation, from integer sums, which do not depend on the order."""
    count = luminance.size
    mean = float(_whole(luminance).sum()) / count * 2.0**-20
    centred = luminance - mean
    variance = float(_whole(centred * centred).sum()) / count * 2.0**-20
    return mean, float(np.sqrt(variance + 2.0**-20))


def _develop(shares: Floats, style: _Style, canvas: Floats) -> NDArray[np.uint8]:
    """Convert (h, w, 3) luminance and opponent colours to RGB of a drawn mean and contrast."""
    mean, deviation = _moments(canvas[..., 0])
    # Compress highlights and shadows as film does, so that few values are clipped.
    light = (canvas[..., 0] - mean) / deviation
    light = light / np.sqrt(1.0 + 0.2 * light * light)
    mean, deviation = _moments(light)
    wanted_mean = _quantile(_MEANS, float(shares[0]) + style.tone)
    wanted_contrast = _quantile(_CONTRASTS, float(shares[1]))
    # Dark images have little contrast; bright ones may have more: objects before a white sky.
    wanted_contrast = min(wanted_contrast, 0.6 * wanted_mean)
    saturation = _quantile(_SATURATIONS, float(shares[2]))
    light = wanted_mean + wanted_contrast / deviation * (light - mean)
    # Deep shadows and highlights are less saturated than the values between them.
    room = np.maximum(np.minimum(light, 1.0 - light), 0.0) * 2.0
    strength = 0.085 * saturation * (0.4 + 0.6 * room)
    rgb = (
        light[..., None]
        + (strength * (canvas[..., 1] + 0.5))[..., None] * _RED_BLUE
        + (0.85 * strength * canvas[..., 2])[..., None] * _GREEN_MAGENTA
    )
    levels: Floats = np.minimum(np.maximum(np.floor(rgb * 255.0 + 0.5), 0.0), 255.0)
    return levels.astype(np.uint8)


def dead_leaves(side: int, *, seed: int, index: int, label: int) -> NDArray[np.uint8]:
    """Make one image.

    Parameters
    ----------
    side : int
        Height and width in pixels; the scene does not depend on it.
    seed, index : int
        Name the image's own stream of random numbers.
    label : int
        The class, whose images share a style.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        RGB pixels.
    """
    style = _style(seed, label)
    stream = Stream("dead leaves", seed, "image", index)
    fine = side * _SUPERSAMPLING
    chance = stream.uniform(3)
    texture = _fractal(stream, fine, 0.5 + 0.45 * float(chance[0]))
    canvas, around = _backdrop(stream, style, texture)
    _paint(canvas, _clutter(stream, style, around), texture)
    if chance[1] < 0.6:
        canvas = _soften(canvas, int(1 + 10.0 * chance[2]) * side // 16)
    _paint(canvas, _object(stream, style), texture)
    canvas = _soften(canvas, 2)
    parts = canvas.reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING, 3)
    pixels = np.zeros((side, side, 3))
    for row in range(_SUPERSAMPLING):
        for column in range(_SUPERSAMPLING):
            pixels = pixels + parts[:, row, :, column]
    shares = _balanced(seed, "shares", index)
    return _develop(shares, style, pixels / float(_SUPERSAMPLING**2))
