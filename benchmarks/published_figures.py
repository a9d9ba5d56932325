"""Published correlations of single proxies with accuracy, and why ours may differ."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A published correlation on CIFAR-10.

    Attributes
    ----------
    proxy, space, target
        The proxy, and the space and target of the accuracies.
    measure
        Kendall tau or Spearman rho.
    value
        The published correlation. If it is None, it is computed from the published proxy values
        (NAS-Bench-Suite-Zero), and ours is computed on the same cells.
    why
        Reason for a difference; shown if it is larger than .05.
    """

    proxy: str
    space: str
    target: str
    measure: Literal["tau", "rho"]
    value: float | None
    why: str = ""


_NOISE = (
    "Under noise the matrices depend on the shapes of the layers alone (see the closed form), "
    "which hardly differ between cells. The published figure is close to that of the variant on "
    "images."
)
_SIZES = (
    "Not explained. The paper does not state which networks it measured. Ours are drawn from the "
    "whole space, in which width dominates, and both variants grow with width."
)
_LABELS = (
    "The published labels come from another adversarial training. Synflow, published on the same "
    "labels, differs as much."
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
