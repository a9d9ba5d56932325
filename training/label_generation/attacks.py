"""Attacks with full knowledge of the network, bounded in the maximum norm.

The two that the benchmarks' labels name: thirty lines. Libraries have them as well: the Adversarial
Robustness Toolbox (newest release on PyPI: 1.20.1, July 2025), Foolbox (3.3.4, March 2024) and
torchattacks (3.5.1, October 2023); AutoAttack is not on PyPI. They draw random starts from the
process's own generator, NumPy's or torch's, so labels would depend on what was attacked before;
here each network has a generator of its own. torchattacks also asks for requests 2.25.
"""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from acorn.datasets import Dataset
from acorn.errors import InputError, abbreviate

_NAME = re.compile(r"(?P<attack>fgsm|pgd)_linf_(?P<eps>\d{1,3}(?:\.\d{1,4})?)")

PGD_STEPS = 40
"""With :data:`PGD_STEP`, the attack of the robustness dataset (Jung et al., ICLR 2023)."""

PGD_STEP = 0.01 / 0.3
"""Length of a step, in units of the budget."""


@dataclass(frozen=True, slots=True)
class Attack:
    """Looks for images near the given ones that the network gets wrong.

    Attributes
    ----------
    name
        The target that it labels, such as ``pgd_linf_1.0``.
    eps
        Most that a pixel may change, in units of 1/255.
    steps
        Steps of projected gradient descent; 1 is FGSM.
    step
        Length of a step, in units of ``eps``.
    random_start
        Whether it starts from a random place within the budget.
    """

    name: str
    eps: float
    steps: int = 1
    step: float = 1.0
    random_start: bool = False

    def __call__(
        self,
        network: nn.Module,
        images: Float[Tensor, "batch 3 h w"],
        labels: Int[Tensor, " batch"],
        dataset: Dataset,
        generator: torch.Generator,
    ) -> Float[Tensor, "batch 3 h w"]:
        """Perturb normalised images; the network keeps its mode, and its gradients.

        FGSM, ``x + eps sign(grad_x L)``: Goodfellow et al., Explaining and harnessing adversarial
        examples, ICLR 2015, section 4. PGD, ``x <- proj(x + alpha sign(grad_x L))`` onto the
        ball around the image: Madry et al., Towards deep learning models resistant to adversarial
        attacks, ICLR 2018, section 2.1. Pixels stay within 0 and 1 throughout.
        """
        mean, std = (
            torch.tensor(each, device=images.device).view(1, 3, 1, 1)
            for each in (dataset.mean, dataset.std)
        )
        budget = self.eps / 255 / std
        lowest = torch.maximum(images - budget, -mean / std)
        highest = torch.minimum(images + budget, (1 - mean) / std)
        found = images.detach()
        if self.random_start:
            noise = torch.rand(images.shape, generator=generator).to(images.device)
            found = (found + (2 * noise - 1) * budget).clamp(lowest, highest)
        for _ in range(self.steps):
            with torch.enable_grad():
                found = found.requires_grad_(True)
                loss = functional.cross_entropy(network(found), labels)
                (gradient,) = torch.autograd.grad(loss, found, materialize_grads=True)
            found = (found.detach() + self.step * budget * gradient.sign()).clamp(lowest, highest)
        return found


def read_attack(name: str) -> Attack:
    """Find the attack that a target names; raises :class:`~acorn.errors.InputError`."""
    match = _NAME.fullmatch(name)
    if match is None or not 0 < float(match["eps"]) <= 255:
        raise InputError(
            f"got attack {abbreviate(name)}; expected fgsm_linf_EPS or pgd_linf_EPS, "
            "EPS in units of 1/255, such as pgd_linf_1.0"
        )
    if match["attack"] == "fgsm":
        return Attack(name, float(match["eps"]))
    return Attack(name, float(match["eps"]), PGD_STEPS, PGD_STEP, random_start=True)


def adversary(eps: float) -> Attack:
    """The attack of adversarial training: seven steps of a quarter of the budget.

    Madry et al., ICLR 2018, section 5 (CIFAR-10: budget 8, seven steps of 2).
    """
    return Attack("training", eps, 7, 0.25, random_start=True)
