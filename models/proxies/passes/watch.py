"""Show observers what goes by in a pass, through hooks that do not outlive it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from models.proxies.passes.layers import RECTIFIERS, WeightedLayer
from models.proxies.registry import Observer
from models.proxies.state import hooked

Inputs = tuple[object, ...]


@contextmanager
def watched(network: nn.Module, observers: Iterable[Observer]) -> Iterator[None]:
    """Let observers see activations, outputs and layers' gradients while inside.

    Only what some observer overrides is hooked. Gradients come from backwards inside.
    """
    watchers = [*observers]
    handles: list[RemovableHandle] = []
    of_activation = overriding(watchers, "on_activation")
    of_gradient = overriding(watchers, "on_gradient")
    of_output = overriding(watchers, "on_output")

    def after_rectifier(_module: nn.Module, _inputs: Inputs, out: Tensor) -> None:
        show(of_activation, "on_activation", out.detach())

    def after_layer(module: nn.Module, _inputs: Inputs, out: Tensor) -> None:
        layer = cast(WeightedLayer, module)

        def on_gradient(gradient: Tensor) -> None:
            show(of_gradient, "on_gradient", layer, out.detach(), gradient.detach())

        if out.requires_grad:
            handles.append(out.register_hook(on_gradient))

    def after_module(module: nn.Module, _inputs: Inputs, out: object) -> None:
        if isinstance(out, Tensor):
            show(of_output, "on_output", module, out.detach())

    with hooked(handles):
        for module in network.modules():
            if of_activation and isinstance(module, RECTIFIERS):
                handles.append(module.register_forward_hook(after_rectifier))
            if of_gradient and isinstance(module, WeightedLayer):
                handles.append(module.register_forward_hook(after_layer))
            if of_output:
                handles.append(module.register_forward_hook(after_module))
        yield


@contextmanager
def captured(
    modules: Iterable[nn.Module], keep: Callable[[nn.Module, Tensor], None]
) -> Iterator[None]:
    """Call ``keep`` with each of these modules' outputs, as they are, while inside."""

    def after(module: nn.Module, _inputs: Inputs, out: object) -> None:
        if isinstance(out, Tensor):
            keep(module, out)

    with hooked([module.register_forward_hook(after) for module in modules]):
        yield


def show(observers: Iterable[Observer], method: str, *what: object) -> None:
    """Call a method of observers; the failure of one costs its own proxy only, not the pass."""
    for observer in observers:
        if observer.failure is None:
            try:
                getattr(observer, method)(*what)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # a layer may be anything
                observer.failure = f"{method}: {error}"


def overriding(observers: Iterable[Observer], method: str) -> list[Observer]:
    """Keep the observers that override a method of :class:`Observer`."""
    return [o for o in observers if getattr(type(o), method) is not getattr(Observer, method)]
