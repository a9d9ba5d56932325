"""The timm space: networks of PyTorch Image Models, by name."""

from acorn.spaces.timm.space import TimmSpace

__all__ = ["TimmSpace"]
