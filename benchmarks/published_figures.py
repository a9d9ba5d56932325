"""Correlations that the literature reports for single proxies, with where ours may differ."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A published correlation on CIFAR-10.

    Attributes
    ----------
    proxy, space, target
        What correlates with what.
    measure
        Kendall tau or Spearman rho.
    value
        As published; None is computed from the published proxy values (NAS-Bench-Suite-Zero), and
        ours on the same cells.
    why
        Why ours differs, shown where it does by more than .05.
    """

    proxy: str
    space: str
    target: str
    measure: Literal["tau", "rho"]
    value: float | None
    why: str = ""


_NOISE = (
    "Under noise the matrices hang on the layers' shapes alone, as the closed form says, and those "
    "hardly differ between cells; the published figure is near that of the reading on data."
)
_SIZES = (
    "Not explained. Which networks the published figure is of is not said; ours are drawn from the "
    "whole space, in which width decides, and both readings grow with it."
)
_LABELS = (
    "The published labels come from another adversarial training. Synflow, published on the same "
    "labels, differs from ours as much."
)

PUBLISHED = (
    Figure("meco", "nats_tss", "clean", "rho", 0.894),
    Figure("nwot", "nats_tss", "clean", "rho", None),
    Figure("synflow", "nats_tss", "clean", "rho", None),
    Figure("jacov", "nats_tss", "clean", "rho", None),
    Figure("eznas_a", "nats_tss", "clean", "tau", 0.62, _NOISE),
    Figure("eznas_a_data", "nats_tss", "clean", "tau", 0.62),
    Figure("eznas_a", "nats_sss", "clean", "tau", 0.71, _SIZES),
    Figure("eznas_a_data", "nats_sss", "clean", "tau", 0.71, _SIZES),
    Figure("croze", "nats_tss", "adv.pgd_linf_8", "rho", 0.465, _LABELS),
    Figure("synflow", "nats_tss", "adv.pgd_linf_8", "rho", 0.399, _LABELS),
    Figure("near", "nats_sss", "clean", "tau", 0.74),
)
