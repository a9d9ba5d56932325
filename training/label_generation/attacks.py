"""White-box attacks bounded in the maximum norm: FGSM and PGD, as in the labels of benchmarks.

The Adversarial Robustness Toolbox (1.20.1, July 2025), Foolbox (3.3.4, March 2024) and torchattacks
(3.5.1, October 2023) have both attacks; AutoAttack is not on PyPI. These libraries draw random
starts from the global generator of NumPy or torch, so labels would depend on earlier attacks; here
each network has its own generator. torchattacks also requires requests 2.25.
"""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from acorn.datasets import Dataset
from acorn.errors import InputError, abbreviate
from training.label_generation.images import channel_statistics

_NAME = re.compile(r"(?P<attack>fgsm|pgd)_linf_(?P<eps>\d{1,3}(?:\.\d{1,4})?)")

PGD_STEPS = 40
"""Steps in the robustness dataset (Jung et al., ICLR 2023), of length :data:`PGD_STEP`."""

PGD_STEP = 0.01 / 0.3
"""Length of a step, in units of the budget."""


@dataclass(frozen=True, slots=True)
class Attack:
    """Searches near the given images for images that the network misclassifies.

    Attributes
    ----------
    name : str
        Target that the attack measures, such as ``pgd_linf_1.0``.
    eps : float
        Most that a pixel may change, in units of 1/255.
    steps : int, default=1
        Steps of projected gradient descent; 1 is FGSM.
    step : float, default=1.0
        Length of a step, in units of ``eps``.
    random_start : bool, default=False
        Whether to start from a random point within the budget.
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
        """Perturb normalised images; mode and gradients of the network are not changed.

        FGSM, ``x + eps sign(grad_x L)``: Goodfellow et al., Explaining and harnessing adversarial
        examples, ICLR 2015, section 4. PGD, ``x <- proj(x + alpha sign(grad_x L))`` onto the
        ball around the image: Madry et al., Towards deep learning models resistant to adversarial
        attacks, ICLR 2018, section 2.1. Pixels stay within 0 and 1 throughout.

        Parameters
        ----------
        network : torch.nn.Module
            Network to attack.
        images, labels : torch.Tensor
            Normalised images, shape (batch, 3, height, width), and their classes, shape (batch,).
        dataset : Dataset
            Gives mean and standard deviation.
        generator : torch.Generator
            Source of the random start.

        Returns
        -------
        torch.Tensor
            Attacked images, normalised.
        """
        mean, std = channel_statistics(dataset, images.device)
        budget = self.eps / 255 / std
        lowest = torch.maximum(images - budget, -mean / std)
        highest = torch.minimum(images + budget, (1 - mean) / std)
        attacked = images.detach()
        if self.random_start:
            noise = torch.rand(images.shape, generator=generator).to(images.device)
            attacked = (attacked + (2 * noise - 1) * budget).clamp(lowest, highest)
        for _ in range(self.steps):
            with torch.enable_grad():
                attacked = attacked.requires_grad_(True)
                loss = functional.cross_entropy(network(attacked), labels)
                (gradient,) = torch.autograd.grad(loss, attacked, materialize_grads=True)
            moved = attacked.detach() + self.step * budget * gradient.sign()
            attacked = moved.clamp(lowest, highest)
        return attacked


def read_attack(name: str) -> Attack:
    """Read the attack that a target names.

    Parameters
    ----------
    name : str
        ``fgsm_linf_EPS`` or ``pgd_linf_EPS``.

    Returns
    -------
    Attack

    Raises
    ------
    InputError
        For any other name.
    """
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
    """Attack of adversarial training: seven steps of a quarter of the budget.

    Parameters
    ----------
    eps : float
        Budget, in units of 1/255.

    Returns
    -------
    Attack

    References
    ----------
    Madry et al., ICLR 2018, section 5 (CIFAR-10: budget 8, seven steps of 2).
    """
    return Attack("training", eps, 7, 0.25, random_start=True)
