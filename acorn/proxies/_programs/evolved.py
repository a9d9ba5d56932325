"""A proxy that is a program over the statistics of layers."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from acorn.proxies._engine.observers import Observer
from acorn.proxies._engine.records import Records
from acorn.proxies._programs.layer_table import LayerTable
from acorn.proxies._programs.program import Program


class EvolvedProxy(Observer):
    """Computes :attr:`program` of one network.

    Attributes
    ----------
    program : Program
        Given by each subclass.
    """

    program: ClassVar[Program]

    def __init_subclass__(cls) -> None:
        cls.statistics = cls.program.statistics

    def value(self, records: Records) -> Float64[Tensor, " numbers"]:
        """List the statistics that the program reads, one column after the other."""
        columns = sorted(self.statistics)
        return torch.cat([records.layer_statistics[name] for name in columns])

    def conclude(self, numbers: list[float]) -> list[float]:
        """Compute the program from the statistics."""
        columns = np.array(numbers).reshape(len(self.statistics), -1)
        table = LayerTable(
            np.zeros(1, np.int64), dict(zip(sorted(self.statistics), columns, strict=True))
        )
        return self.program(table).tolist()
