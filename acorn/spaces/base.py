"""The protocol that every architecture space follows, and what a parsed architecture is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # spaces parse and canonicalise without torch; only `build` needs it
    from torch import nn

    from acorn.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture of a space, read and understood.

    Attributes
    ----------
    space
        Name of the space.
    arch
        The specification as submitted, in the space's own normal spelling.
    canonical
        The representative of all architectures of the space that compute the same function.
    """

    space: str
    arch: str
    canonical: str

    @property
    def id(self) -> str:
        """Identity of the function: equal for twins, the key of caches and tables."""
        return f"{self.space}/{self.canonical}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs, in the published tables' convention.

    Attributes
    ----------
    params
        Millions of parameters.
    flops
        Millions of multiply-accumulates for one image, in the convention of :mod:`acorn.graph`
        unless the space's own publication has another.
    """

    params: float
    flops: float


class Space(Protocol):
    """A set of architectures with a text form; one space is one module."""

    @property
    def name(self) -> str:
        """Name in requests, tables and bundles."""

    @property
    def description(self) -> str:
        """One line for people."""

    @property
    def example(self) -> str:
        """A valid specification, shown in errors and documentation."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets that the space's networks are defined for.

        In spaces of anybody's networks a single one may still be refused for a dataset, for
        instance where its images are too small: :meth:`cost` and :meth:`build` say so.
        """

    @property
    def size(self) -> int | None:
        """Number of architectures; None where it is not finite, or beyond listing."""

    def parse(self, spec: object) -> Architecture:
        """Read a specification.

        Raises :class:`~acorn.errors.InvalidArchitectureError` with one line that says what was
        got and what was expected. Never evaluates anything.
        """

    def build(self, arch: str, dataset: "Dataset") -> "nn.Module":
        """Build the published network of exactly ``arch`` (not of its canonical form).

        Weights are freshly initialised from torch's global generator; ``forward`` maps images
        ``(batch, 3, height, width)`` to logits ``(batch, num_classes)``.
        """

    def cost(self, arch: str, dataset: "Dataset") -> Cost:
        """Published size of exactly ``arch``, dead parts included, without building it."""

    def enumerate(self) -> Iterator[str]:
        """All architectures, in a fixed order.

        Raises :class:`~acorn.errors.InputError` where there is no end of them, as :meth:`sample`
        and :meth:`mutate` do where there is no natural way to draw or change one.
        """

    def sample(self, n: int, *, seed: int) -> list[str]:
        """``n`` distinct architectures, uniformly, the same for the same seed."""

    def mutate(self, arch: str, *, seed: int) -> str:
        """A neighbour of ``arch`` that differs in one choice."""

    def columns(self, canonical: str) -> dict[str, float]:
        """The space's own structure features of a canonical form; same names for every form."""
