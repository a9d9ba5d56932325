"""The DARTS space: genotypes of a normal and a reduction cell."""

from acorn.spaces.darts.space import DartsSpace

__all__ = ["DartsSpace"]
