"""Five of the fifteen common corruptions of the benchmarks, which need no image library.

Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions and
perturbations, ICLR 2019, with the authors' constants for CIFAR.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from acorn.datasets import Dataset
from acorn.errors import InputError, abbreviate
from training.label_generation.images import channel_statistics

Unit = Float[Tensor, "batch 3 h w"]
"""Images with pixels in 0..1."""


def _gaussian_noise(x: Unit, level: float, generator: torch.Generator) -> Unit:
    return x + level * torch.randn(x.shape, generator=generator).to(x.device)


def _shot_noise(x: Unit, level: float, generator: torch.Generator) -> Unit:
    return torch.poisson((x * level).cpu(), generator=generator).to(x.device) / level


def _impulse_noise(x: Unit, level: float, generator: torch.Generator) -> Unit:
    """Turn a share of the values black or white."""
    drawn = torch.rand(x.shape, generator=generator).to(x.device)
    return torch.where(drawn < level / 2, 0.0, torch.where(drawn < level, 1.0, x))


def _brightness(x: Unit, level: float, _: torch.Generator) -> Unit:
    """Raise the largest channel (the value of HSV), and the others with it."""
    value = x.amax(dim=1, keepdim=True)
    raised = (value + level).clamp(max=1.0)
    return torch.where(value > 0, x * raised / value.clamp(min=1e-6), raised)


def _contrast(x: Unit, level: float, _: torch.Generator) -> Unit:
    mean = x.mean(dim=(2, 3), keepdim=True)
    return mean + level * (x - mean)


Apply = Callable[[Tensor, float, torch.Generator], Tensor]

CORRUPTIONS: dict[str, tuple[Apply, tuple[float, ...]]] = {
    "gaussian_noise": (_gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": (_shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": (_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "brightness": (_brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (_contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
}
"""Function of each corruption, and its parameter at the five severities."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption at one severity; it is called like an attack.

    Attributes
    ----------
    apply : callable
        Corrupts images whose pixels are in 0..1.
    level : float
        Its parameter.
    """

    apply: Apply
    level: float

    def __call__(
        self,
        network: nn.Module,  # noqa: ARG002
        images: Float[Tensor, "batch 3 h w"],
        labels: Int[Tensor, " batch"],  # noqa: ARG002
        dataset: Dataset,
        generator: torch.Generator,
    ) -> Float[Tensor, "batch 3 h w"]:
        """Corrupt normalised images; the result is quantised to 8 bits.

        Parameters
        ----------
        network, labels
            Not used.
        images : torch.Tensor
            Normalised images, shape (batch, 3, height, width).
        dataset : Dataset
            Gives mean and standard deviation.
        generator : torch.Generator
            Source of random noise.

        Returns
        -------
        torch.Tensor
            Corrupted images, normalised.
        """
        mean, std = channel_statistics(dataset, images.device)
        pixels = (images * std + mean).clamp(0, 1)
        corrupted = self.apply(pixels, self.level, generator).clamp(0, 1)
        return ((corrupted * 255).floor() / 255 - mean) / std


def read_corruption(name: str) -> list[Corruption]:
    """Read a corruption by name.

    Parameters
    ----------
    name : str
        A key of :data:`CORRUPTIONS`.

    Returns
    -------
    list of Corruption
        Its five severities.

    Raises
    ------
    InputError
        For any other name.
    """
    if name not in CORRUPTIONS:
        raise InputError(
            f"got corruption {abbreviate(name)}; expected one of {', '.join(CORRUPTIONS)}"
        )
    apply, levels = CORRUPTIONS[name]
    return [Corruption(apply, level) for level in levels]
