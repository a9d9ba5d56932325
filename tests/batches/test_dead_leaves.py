"""Statistics of the generated images, against those of photographs of the same size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from acorn.batches.dead_leaves import dead_leaves

Array = NDArray[Any]
COUNT, CLASSES = 200, 10


@pytest.fixture(scope="module")
def images() -> Array:
    """Pixels in 0..1 of shape (n, 32, 32, 3); labels go round robin."""
    pixels = [dead_leaves(32, seed=0, index=k, label=k % CLASSES) for k in range(COUNT)]
    return np.stack(pixels) / 255.0


@pytest.fixture(scope="module")
def photographs(shared: Path) -> Array:
    with np.load(shared / "images" / "cifar10_sample.npz", allow_pickle=False) as arrays:
        pixels: Array = arrays["x_train"][:COUNT] / 255.0
    return pixels


def colour_statistics(images: Array) -> dict[str, float]:
    red, green, blue = images.reshape(-1, 3).T
    correlation = np.corrcoef([red, green, blue])
    shares = np.linalg.eigvalsh(np.cov([red, green, blue]))
    return {
        "mean": images.mean(),
        "std": images.std(),
        "red-green": correlation[0, 1],
        "red-blue": correlation[0, 2],
        "luminance share": shares[-1] / shares.sum(),
    }


def spectrum_slope(images: Array) -> float:
    """Exponent of the radial power spectrum of luminance, under a Hann window."""
    luminance = images.mean(axis=3)
    side = luminance.shape[1]
    window = np.hanning(side)
    centred = luminance - luminance.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window * window[:, None])) ** 2).mean(axis=0)
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(frequency, frequency[:, None])
    rings = np.arange(2, side // 2)
    heights = [power[np.abs(radius - ring) < 0.5].mean() for ring in rings]
    return float(np.polyfit(np.log(rings), np.log(heights), 1)[0])


def gradient_kurtosis(images: Array) -> float:
    gradient = np.diff(images.mean(axis=3), axis=2)
    return float((gradient**4).mean() / (gradient**2).mean() ** 2)


def similarities(images: Array) -> Array:
    """Cosines between images less the mean image: (n, n)."""
    flat = (images - images.mean(axis=0)).reshape(len(images), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    cosines: Array = flat @ flat.T
    return cosines


def test_scale_invariance(images: Array) -> None:
    # White noise has 0; photographs of this size about -3 (the optics add to the -2).
    assert -3.5 < spectrum_slope(images) < -2.8


def test_edges_make_gradients_sparse(images: Array) -> None:
    # Gaussian fields have 3.
    assert 7 < gradient_kurtosis(images) < 16


def test_colours(images: Array) -> None:
    found = colour_statistics(images)
    assert 0.42 < found["mean"] < 0.52
    assert 0.22 < found["std"] < 0.28
    assert 0.85 < found["red-green"] < 0.97
    assert 0.65 < found["red-blue"] < found["red-green"]
    assert 0.85 < found["luminance share"] < 0.95


def test_few_pixels_are_cut_off(images: Array) -> None:
    assert np.mean((images == 0) | (images == 1)) < 0.06


def test_images_of_a_class_are_a_little_alike(images: Array) -> None:
    cosines = similarities(images)
    labels = np.arange(COUNT) % CLASSES
    same = (labels[:, None] == labels) & ~np.eye(COUNT, dtype=bool)
    different = labels[:, None] != labels
    assert 0.02 < cosines[same].mean() - cosines[different].mean() < 0.15


def test_no_two_images_are_nearly_the_same(images: Array) -> None:
    cosines = similarities(images)
    assert np.abs(cosines[~np.eye(COUNT, dtype=bool)]).max() < 0.95


def test_the_scene_does_not_depend_on_the_size() -> None:
    fine = dead_leaves(32, seed=0, index=3, label=3).astype(float)
    coarse = dead_leaves(16, seed=0, index=3, label=3).astype(float)
    shrunk = fine.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(shrunk.ravel(), coarse.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("side", [1, 2, 7, 33])
def test_odd_sizes(side: int) -> None:
    image = dead_leaves(side, seed=0, index=0, label=0)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


def test_photographs_have_these_statistics(images: Array, photographs: Array) -> None:
    assert spectrum_slope(images) == pytest.approx(spectrum_slope(photographs), abs=0.25)
    assert gradient_kurtosis(images) == pytest.approx(gradient_kurtosis(photographs), rel=0.5)
    ours, theirs = colour_statistics(images), colour_statistics(photographs)
    assert ours == pytest.approx(theirs, abs=0.07)
    # How alike two images are, up to sign, is what proxies of correlation see.
    spread = similarities(images).std(), similarities(photographs).std()
    assert spread[0] == pytest.approx(spread[1], rel=0.15)
