"""NAS-Bench-Macro: eight layers, each one of three blocks."""

from acorn.spaces.nasbench_macro.space import NasBenchMacroSpace

__all__ = ["NasBenchMacroSpace"]
