"""Base class of architecture spaces, and what their methods return."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from acorn.datasets import DATASETS, Dataset
from acorn.errors import InputError
from acorn.spaces.limits import NetworkLimits

if TYPE_CHECKING:  # spaces parse and canonicalise without torch; only `build` needs it
    from torch import nn

Choice = TypeVar("Choice")
ChoiceValue = str | int | float | bool | None
"""A value of a choice."""


def change_one(
    choices: Sequence[Choice], alternatives: Sequence[Choice], *, seed: int
) -> list[Choice]:
    """Replace one choice, drawn uniformly, by another alternative, drawn uniformly.

    Parameters
    ----------
    choices : sequence
        Choices of an architecture.
    alternatives : sequence
        What each of them may be.
    seed : int
        The same seed gives the same change.

    Returns
    -------
    list
        The choices after the change.
    """
    rng = random.Random(seed)
    changed = [*choices]
    place = rng.randrange(len(changed))
    changed[place] = rng.choice([other for other in alternatives if other != changed[place]])
    return changed


def change_each(
    choices: Sequence[Choice], alternatives: Sequence[Choice]
) -> Iterator[tuple[int, Choice, list[Choice]]]:
    """Replace one choice by another alternative, in every possible way.

    Parameters
    ----------
    choices : sequence
        Choices of an architecture.
    alternatives : sequence
        What each of them may be.

    Yields
    ------
    place : int
        Position of the change.
    choice : object
        The new choice.
    changed : list
        All choices after the change.
    """
    for place, before in enumerate(choices):
        for choice in alternatives:
            if choice != before:
                yield place, choice, [*choices[:place], choice, *choices[place + 1 :]]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An architecture one edit away from another one.

    Attributes
    ----------
    arch : str
        Its specification.
    change : str
        The edit in words, such as ``layer 4: 24 to 64 channels``.
    """

    arch: str
    change: str


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture of a space.

    Attributes
    ----------
    space : str
        Name of the space.
    arch : str
        The specification as submitted, in the space's own normal spelling.
    canonical : str
        The representative of all equivalent architectures of the space.
    """

    space: str
    arch: str
    canonical: str

    @property
    def id(self) -> str:
        """Key of caches and tables; equal for equivalent architectures."""
        return f"{self.space}/{self.canonical}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Size of a network, in the convention of the published tables.

    Attributes
    ----------
    params : float
        Millions of parameters.
    flops : float
        Millions of multiply-accumulates for one image, in the convention of :mod:`acorn.graph`
        unless the space's own publication has another.
    """

    params: float
    flops: float


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """What a feature column means, for people who do not know its name.

    Attributes
    ----------
    title : str
        A few words.
    text : str
        One sentence.
    group : str
        Kind of the column, such as ``Depth and paths``; explanations add up the columns of a group.
    """

    title: str
    text: str
    group: str


class Space(ABC):
    """A set of architectures with a text form.

    A subclass defines :meth:`parse`, :meth:`build`, :meth:`cost` and the attributes without a
    default. The other methods have defaults for what a space cannot do.

    Attributes
    ----------
    name : str
        Name in requests, tables and bundles.
    description : str
        One line for lists of spaces.
    example : str
        A valid specification, shown in errors and documentation.
    datasets : tuple of str
        Datasets that the networks are defined for. A request without a dataset means the first of
        them that has a forest. In a space of arbitrary networks, :meth:`cost` and :meth:`build` may
        still refuse one, for instance if the images are too small for it.
    size : int or None, default=None
        Number of architectures; None if it is infinite, or too large to list.
    limits : NetworkLimits or None, default=None
        Bounds on the networks; None if the space's own rules bound them.
    needs_package : str or None, default=None
        Optional package that :meth:`parse` and :meth:`cost` import. The import may take seconds and
        hundreds of megabytes, so that a server calls these methods in an isolated process, except
        for specifications that the space recognises.
    """

    name: str
    description: str
    example: str
    datasets: tuple[str, ...]
    size: int | None = None
    limits: NetworkLimits | None = None
    needs_package: str | None = None

    def takes(self, dataset: Dataset) -> bool:
        """Check whether the networks are defined for a dataset.

        Parameters
        ----------
        dataset : Dataset
            Registered or not.

        Returns
        -------
        bool
            A space that is defined for all registered datasets is defined for images of any shape
            and any number of classes.
        """
        if dataset.is_registered:
            return dataset.name in self.datasets
        return DATASETS.keys() <= {*self.datasets}

    @abstractmethod
    def parse(self, spec: object) -> Architecture:
        """Read a specification. Never evaluates anything.

        Parameters
        ----------
        spec : object
            Anything, as a request holds it.

        Returns
        -------
        Architecture
            The architecture and its canonical form.

        Raises
        ------
        InvalidArchitectureError
            If it is no architecture of this space; one line with what was got and expected.
        """

    def recognise(self, canonical_forms: Iterable[str]) -> None:  # noqa: B027 - most need no more
        """Accept canonical forms of a feature table also without the package that parsing needs.

        Parameters
        ----------
        canonical_forms : iterable of str
            Architectures whose features are known. A space that needs no package ignores them.
        """

    def recognises(self, spec: object) -> bool:  # noqa: ARG002
        """Check whether :meth:`parse` reads a specification without an optional package.

        Parameters
        ----------
        spec : object
            Anything, as a request holds it.

        Returns
        -------
        bool
        """
        return self.needs_package is None

    @abstractmethod
    def build(self, arch: str, dataset: Dataset) -> "nn.Module":
        """Build the network of exactly ``arch``, not of its canonical form.

        Parameters
        ----------
        arch : str
            A specification of this space.
        dataset : Dataset
            Gives the shape of the images and the number of classes.

        Returns
        -------
        torch.nn.Module
            Maps images (batch, channels, height, width) to logits (batch, num_classes). Weights are
            initialised from torch's global generator.
        """

    @abstractmethod
    def cost(self, arch: str, dataset: Dataset) -> Cost:
        """Compute the published size of exactly ``arch``, dead parts included, by arithmetic.

        Parameters
        ----------
        arch : str
            A specification of this space.
        dataset : Dataset
            Gives the shape of the images and the number of classes.

        Returns
        -------
        Cost
            Millions of parameters and of FLOPs.
        """

    def enumerate(self) -> Iterator[str]:
        """List all architectures in a fixed order.

        Returns
        -------
        iterator of str
            Specifications.

        Raises
        ------
        InputError
            If the space cannot list them, which is the default.
        """
        samples = type(self).sample is not Space.sample
        raise InputError(
            f"got all of {self.name}, which cannot be listed; "
            f"expected {'sample:N or ' if samples else ''}a file of architectures"
        )

    def sample(self, n: int, *, seed: int) -> list[str]:
        """Draw distinct architectures; by default uniformly from :meth:`enumerate`.

        Parameters
        ----------
        n : int
            Number of architectures.
        seed : int
            The same seed gives the same architectures.

        Returns
        -------
        list of str, length n
            Specifications.

        Raises
        ------
        InputError
            If the space has fewer, or cannot list its architectures.
        """
        archs = [*self.enumerate()]
        if n > len(archs):
            raise InputError(f"got sample:{n}; expected at most the {len(archs)} of {self.name}")
        return random.Random(seed).sample(archs, n)

    def mutate(self, arch: str, *, seed: int) -> str:  # noqa: ARG002
        """Change one choice of an architecture.

        Parameters
        ----------
        arch : str
            A specification of this space.
        seed : int
            The same seed gives the same change.

        Returns
        -------
        str
            Specification of the neighbour.

        Raises
        ------
        InputError
            If the space has no mutations, which is the default.
        """
        raise InputError(f"got {self.name}; expected a space with mutations, such as darts")

    def neighbours(self, arch: str) -> Iterator[Neighbour]:  # noqa: ARG002
        """List the architectures one edit away, which explanations of a prediction compare.

        Parameters
        ----------
        arch : str
            A specification of this space.

        Returns
        -------
        iterator of Neighbour
            In a fixed order; some may be equivalent to each other or to the given one.

        Raises
        ------
        InputError
            If the space does not list them, which is the default.
        """
        raise InputError(f"got {self.name}; expected a space that lists neighbours, as nats_tss")

    def choice_values(self) -> Mapping[str, Sequence[ChoiceValue]]:
        """List the choices of an architecture, which optimisers of other libraries set.

        Returns
        -------
        mapping of str to sequence
            Name of each choice, and its values.

        Raises
        ------
        InputError
            If the architectures are not a fixed number of choices, which is the default.
        """
        raise InputError(f"got {self.name}; expected a space of choices, as nats_tss")

    def compose(self, values: Sequence[ChoiceValue]) -> str:  # noqa: ARG002
        """Write the architecture of some choices.

        Parameters
        ----------
        values : sequence
            One of the values of each choice, in the order of :meth:`choice_values`.

        Returns
        -------
        str
            A specification of this space.

        Raises
        ------
        InputError
            If the architectures are not a fixed number of choices, which is the default.
        InvalidArchitectureError
            If the space refuses the combination.
        """
        raise InputError(f"got {self.name}; expected a space of choices, as nats_tss")

    def columns(self, canonical: str) -> dict[str, float]:  # noqa: ARG002
        """Compute the space's own structure features; by default there are none.

        Parameters
        ----------
        canonical : str
            A canonical form.

        Returns
        -------
        dict of str to float
            The same names for every canonical form.
        """
        return {}

    def describe_column(self, name: str) -> ColumnDescription | None:  # noqa: ARG002
        """Describe one of the space's own columns.

        Parameters
        ----------
        name : str
            Name of a column of any space.

        Returns
        -------
        ColumnDescription or None
            None, the default, for columns of other spaces and for those that need no description.
        """
        return None
