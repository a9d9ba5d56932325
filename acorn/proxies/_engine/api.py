"""Proxies of any image classifier, by one call."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from acorn.batches.any_size import sized_images
from acorn.devices import find_device
from acorn.errors import InputError, InvalidBatchError, abbreviate
from acorn.proxies._engine.engine import ProxyValues, run
from acorn.proxies._engine.proxy_registry import select


def compute_proxies(
    module: nn.Module,
    input_shape: Sequence[int],
    num_classes: int,
    *,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    proxies: str | Iterable[str] = "all",
    seed: int = 0,
    device: str = "auto",
    initialisation: str = "as_given",
) -> ProxyValues:
    """Compute zero-cost proxies of an untrained image classifier.

    Parameters
    ----------
    module : nn.Module
        Maps images ``(batch, channels, height, width)`` to logits ``(batch, num_classes)``. It is
        only read: all computation uses a copy, without its wrappers (``torch.compile``,
        ``DataParallel``).
    input_shape : sequence of int
        (channels, height, width) of one image, in pixels.
    num_classes : int
        Width of the logits.
    images : Tensor (batch, channels, height, width), default=None
        Normalised float images. By default they are generated, in the module's precision: 32
        images of up to 64 pixels a side, 8 larger ones.
    labels : Tensor (batch,), default=None
        Class of each image, int64; by default 0, 1, ..., num_classes - 1, 0, 1, ...
    proxies : str or iterable of str, default="all"
        Names of proxies, or of the sets ``"all"`` and ``"classic"``.
    seed : int, default=0
        Seeds what the proxies draw.
    device : str, default="auto"
        As :func:`~acorn.devices.find_device` reads it.
    initialisation : {"as_given", "canonical"}, default="as_given"
        ``"as_given"``: the module's own weights. ``"canonical"``: weights drawn from ``seed`` by
        one rule, so that networks of several libraries can be compared; see
        :func:`acorn.proxies._network.initialisation.initialise`.

    Returns
    -------
    ProxyValues
        A value for each proxy, or None and a reason.

    Raises
    ------
    UnknownProxyError
        If a name is not registered.
    InvalidBatchError
        If images or labels have another shape, type or range, or images of this shape cannot be
        generated.
    InputError
        If the shape is not one of images, the device or the initialisation is unknown, or the
        module cannot be measured: TorchScript, quantised, without values (on the meta device, or
        never run), or with a forward that does not map the images to logits.

    Examples
    --------
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    >>> _ = network(torch.zeros(1, 3, 8, 8))
    >>> compute_proxies(network, (3, 8, 8), 2, proxies=["params"]).values
    {'params': 0.000402}
    """
    names = [proxy.name for proxy in select(proxies)]
    if not isinstance(module, nn.Module):
        raise InputError(f"got {type(module).__name__}; expected a torch.nn.Module")
    if len(input_shape) != 3 or min(input_shape) < 1 or num_classes < 1:
        raise InputError(
            f"got input shape {abbreviate(input_shape)} and {num_classes} classes; "
            "expected three positive sizes and at least one class"
        )
    channels, height, width = input_shape
    if images is None:
        if labels is not None:
            raise InvalidBatchError("got labels without images; expected both, or images alone")
        images, labels = sized_images((channels, height, width), num_classes)
        images = images.to(_precision(module))
    elif labels is None:
        labels = torch.arange(len(images)) % num_classes
    _check(images, labels, tuple(input_shape), num_classes)
    place = find_device(device)
    return run(
        module,
        images.to(place),
        labels.to(place),
        num_classes=num_classes,
        proxies=names,
        seed=seed,
        initialisation=initialisation,
    )


def _check(images: Tensor, labels: Tensor, input_shape: tuple[int, ...], num_classes: int) -> None:
    if images.dim() != 4 or images.shape[1:] != input_shape or not len(images):
        raise InvalidBatchError(
            f"got images of shape {tuple(images.shape)}; expected (batch, "
            f"{', '.join(map(str, input_shape))}) with at least one image"
        )
    if not images.is_floating_point():
        raise InvalidBatchError(f"got {images.dtype} images; expected floats, normalised")
    if labels.shape != (len(images),) or labels.dtype != torch.int64:
        raise InvalidBatchError(
            f"got {labels.dtype} labels of shape {tuple(labels.shape)}; "
            f"expected torch.int64 of shape ({len(images)},)"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise InvalidBatchError(
            f"got labels in {int(labels.min())}..{int(labels.max())}; expected 0..{num_classes - 1}"
        )


def _precision(module: nn.Module) -> torch.dtype:
    floating = (p.dtype for p in module.parameters() if p.is_floating_point())
    return next(floating, torch.get_default_dtype())
