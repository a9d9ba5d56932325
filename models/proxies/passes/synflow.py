"""SYNFLOW: forward and backward of a network without signs."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.proxies.passes.layers import layer_weights
from models.proxies.records import Records
from models.proxies.state import BatchNorm, bypassed


def synflow_pass(network: nn.Module, images: Tensor, records: Records) -> None:
    """Sum the logits of a positive, norm-free copy of the network on ones, and go back.

    Double precision: the sum grows with the product of all widths.
    """
    names = layer_weights(network)
    tensors = {name: p.detach().abs().double() for name, p in network.named_parameters()}
    tensors |= {n: b.double() if b.is_floating_point() else b for n, b in network.named_buffers()}
    weights = [tensors[name].requires_grad_(True) for name in names]
    ones = torch.ones_like(images[:1], dtype=torch.float64)
    with bypassed(network, BatchNorm):
        flow = functional_call(network, tensors, (ones,)).sum()
        gradients = torch.autograd.grad(flow, weights, materialize_grads=True)
    records.synflow = [
        (weight.detach() * gradient).sum()
        for weight, gradient in zip(weights, gradients, strict=True)
    ]
