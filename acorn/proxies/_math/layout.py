"""How tensors lie in memory, and rows of activations without a copy."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def laid_out(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Put channels last on a CPU: kernels are a third faster, and values are the same."""
    if images.device.type == "cpu":
        return images.contiguous(memory_format=torch.channels_last)
    return images


def laid_out_like(tensor: Tensor, model: Tensor) -> Tensor:
    """Give a tensor the memory format of another one: mixed formats are slow."""
    channels_last = model.dim() == 4 and model.is_contiguous(memory_format=torch.channels_last)
    return tensor.contiguous(
        memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


def same_memory(one: Tensor, version: int, other: Tensor) -> bool:
    """Tell whether two tensors are the same view of memory that is still at that version."""
    return (
        one.data_ptr() == other.data_ptr()
        and one.shape == other.shape
        and one.stride() == other.stride()
        and other._version == version
    )


def image_rows(
    images: Shaped[Tensor, "images ..."], *, like: Shaped[Tensor, "images ..."] | None = None
) -> Shaped[Tensor, "images values"]:
    """Flatten all but the first dimension, in the order of the memory, without a copy.

    Or in the order of the memory of another tensor of that shape.
    """
    model = images if like is None else like
    order = sorted(range(1, images.dim()), key=model.stride, reverse=True)
    return images.permute(0, *order).flatten(1)


def active_units(rows: Sequence[Shaped[Tensor, "images _units"]]) -> Float[Tensor, "images units"]:
    """Tell with ones and zeros which units of several layers are positive, layers side by side."""
    units = torch.cat([*rows], dim=1)
    if units.dtype in (torch.float32, torch.float64):
        return units.gt_(0)  # in place: seven times as fast as by way of bits
    return (units > 0).to(torch.float32)


def flattened(tensors: Sequence[Tensor], *, like: Sequence[Tensor]) -> list[Shaped[Tensor, " _n"]]:
    """Flatten tensors, each in the order in which another one of its shape lies in memory."""
    flat = []
    for tensor, model in zip(tensors, like, strict=True):
        order = sorted(range(model.dim()), key=model.stride, reverse=True)
        flat.append(tensor.permute(order).reshape(-1))
    return flat


def channel_rows(output: Float[Tensor, "images ..."]) -> Float[Tensor, "channels pixels"]:
    """Read a module's output for the first image as one row of pixels per channel."""
    image = output[0]
    return image.reshape(len(image), -1) if image.dim() else image.view(1, 1)
