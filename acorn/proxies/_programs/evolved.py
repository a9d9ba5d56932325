"""A proxy that is a program over the statistics of layers."""

from typing import ClassVar

import numpy as np

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

    def value(self, records: Records) -> float:
        """Compute the program."""
        table = LayerTable(np.zeros(1, np.int64), records.layer_statistics)
        return float(self.program(table)[0])
