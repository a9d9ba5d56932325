"""Which module is running, told by hooks that do not outlive a pass."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle

Inputs = tuple[object, ...]


@contextmanager
def hooked(handles: list[RemovableHandle]) -> Iterator[None]:
    """Remove these hooks afterwards."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class ModuleCalls:
    """The stack of modules whose forward is running, innermost last."""

    def __init__(self) -> None:
        self.stack: list[nn.Module] = []

    @property
    def innermost(self) -> nn.Module | None:
        """The module that is running."""
        return self.stack[-1] if self.stack else None

    @contextmanager
    def following(
        self,
        network: nn.Module,
        *,
        entered: Callable[[nn.Module], None] | None = None,
        left: Callable[[nn.Module, Inputs, object], None] | None = None,
    ) -> Iterator[None]:
        """Keep the stack, and call back when a module starts and when it has returned."""
        self.stack.clear()

        def before(module: nn.Module, _inputs: Inputs) -> None:
            self.stack.append(module)
            if entered is not None:
                entered(module)

        def after(module: nn.Module, inputs: Inputs, output: object) -> None:
            if left is not None:
                left(module, inputs, output)
            self.stack.pop()

        modules: Iterable[nn.Module] = network.modules()
        handles: list[RemovableHandle] = []
        with hooked(handles):
            for module in modules:
                handles.append(module.register_forward_pre_hook(before, prepend=True))
                handles.append(module.register_forward_hook(after))
            yield
