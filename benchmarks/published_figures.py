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
        As published; None is computed from the published proxy values (NAS-Bench-Suite-Zero).
    why
        Why ours differs, shown where it does by more than .05.
    """

    proxy: str
    space: str
    target: str
    measure: Literal["tau", "rho"]
    value: float | None
    why: str = ""


PUBLISHED = (
    Figure("meco", "nats_tss", "clean", "rho", 0.894),
    Figure("nwot", "nats_tss", "clean", "rho", None),
    Figure("synflow", "nats_tss", "clean", "rho", None),
    Figure("jacov", "nats_tss", "clean", "rho", None),
    Figure("eznas_a", "nats_tss", "clean", "tau", 0.62),
    Figure("eznas_a_data", "nats_tss", "clean", "tau", 0.62),
    Figure("eznas_a", "nats_sss", "clean", "tau", 0.71),
    Figure("eznas_a_data", "nats_sss", "clean", "tau", 0.71),
    Figure("croze", "nats_tss", "adv.pgd_linf_8", "rho", 0.465),
    Figure("synflow", "nats_tss", "adv.pgd_linf_8", "rho", 0.399),
    Figure("near", "nats_sss", "clean", "tau", 0.74),
)
