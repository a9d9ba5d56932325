"""Generated images for networks of any input size."""

from dataclasses import replace
from functools import lru_cache

from torch import Tensor
from torch.nn import functional

from acorn.batches.batch import LARGEST_DRAWN, embedded_batch
from acorn.datasets import DATASETS
from acorn.errors import InvalidBatchError


@lru_cache(maxsize=8)
def sized_images(
    input_shape: tuple[int, int, int], num_classes: int, *, size: int | None = None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Generate images of any size with one or three channels.

    For the shape and number of classes of a registered dataset, the images are those of
    :func:`~acorn.batches.batch.embedded_batch`; otherwise the normalisation is CIFAR-10's.

    Parameters
    ----------
    input_shape : tuple of int
        (channels, height, width); a single channel is the mean of the colours.
    num_classes : int
        Labels are 0, 1, ..., num_classes - 1, 0, 1, ...
    size : int, optional
        Number of images; by default 32 if no side is larger than 64 pixels, else 8.
    seed : int, default=0
        Another seed gives other images.

    Returns
    -------
    images : torch.Tensor, shape (size, channels, height, width)
        Normalised float32 images.
    labels : torch.Tensor, shape (size,)
        int64 labels.

    Raises
    ------
    InvalidBatchError
        For another number of channels, or a size that is not positive.
    """
    channels, height, width = input_shape
    if channels not in (1, 3):
        raise InvalidBatchError(
            f"cannot generate images of {channels} channels; expected 1 or 3, or images given"
        )
    side = max(height, width)
    if size is None:
        size = 32 if side <= LARGEST_DRAWN else 8
    for dataset in DATASETS.values():
        if input_shape == dataset.input_shape and num_classes == dataset.num_classes:
            batch = embedded_batch(dataset, size=size, seed=seed)
            return batch.images, batch.labels
    scale = min(1.0, LARGEST_DRAWN / side)
    drawn = replace(
        DATASETS["cifar10"],
        height=max(1, round(height * scale)),
        width=max(1, round(width * scale)),
        num_classes=num_classes,
    )
    batch = embedded_batch(drawn, size=size, seed=seed)
    images = batch.images
    if drawn.input_shape[1:] != (height, width):
        images = functional.interpolate(
            images, size=(height, width), mode="bilinear", align_corners=False
        )
    if channels == 1:
        images = images.mean(dim=1, keepdim=True)
    return images, batch.labels
