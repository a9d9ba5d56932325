"""How tensors lie in memory, and rows of activations without a copy."""

import torch
from jaxtyping import Float
from torch import Tensor


def laid_out(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels height width"]:
    """Put channels last on a CPU: kernels are a third faster, and values are the same."""
    if images.device.type == "cpu":
        return images.contiguous(memory_format=torch.channels_last)
    return images


def laid_out_like(tensor: Tensor, model: Tensor) -> Tensor:
    """Give a tensor the memory format of another of its shape: mixed formats are slow."""
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


def image_rows(images: Tensor) -> Tensor:
    """Flatten all but the first dimension, in the order of the memory, without a copy."""
    order = sorted(range(1, images.dim()), key=images.stride, reverse=True)
    return images.permute(0, *order).flatten(1)


def channel_rows(output: Tensor) -> Float[Tensor, "channels pixels"]:
    """Read a module's output for the first image as one row of pixels per channel."""
    image = output[0]
    return image.reshape(len(image), -1) if image.dim() else image.view(1, 1)
