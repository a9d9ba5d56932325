"""The cache of computed features: the latest in memory, all of them in the store."""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cachetools import LRUCache

from acorn.features.feature_table import FeatureRow
from acorn.features.recipe import FeatureRecipe
from service.storage.feature_store import FeatureStore

KEPT_BYTES = 64 * 2**20
"""Approximate limit of the rows in memory; the least recently used are removed first."""

_BYTES_A_VALUE = 128  # a number, its place in the dictionary, and a share of its name


class FeatureCache:
    """Feature rows by id and settings; rows in memory are found even if the store fails.

    Call all methods from the thread of the event loop; the store is used in other threads.

    Parameters
    ----------
    store : FeatureStore
        Closed with the cache.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._recent: LRUCache[tuple[str, str], FeatureRow] = LRUCache(KEPT_BYTES, getsizeof=_size)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="acorn-store")

    async def find(self, ids: Sequence[str], recipe: FeatureRecipe) -> dict[str, FeatureRow]:
        """Find the known rows that have every feature of a recipe.

        Parameters
        ----------
        ids : sequence of str
        recipe : FeatureRecipe

        Returns
        -------
        dict of str to FeatureRow
            By id.
        """
        settings = recipe.settings.digest
        rows = {id_: self._recent[id_, settings] for id_ in ids if (id_, settings) in self._recent}
        missing = [id_ for id_ in ids if id_ not in rows]
        if missing:
            loop = asyncio.get_running_loop()
            stored = await loop.run_in_executor(self._threads, self._store.get, missing, settings)
            for row in stored.values():
                self._keep(row, settings)
            rows |= stored
        # A row that was computed for a forest with fewer features has to be computed again.
        names = set(recipe.names)
        return {id_: row for id_, row in rows.items() if names <= row.values.keys()}

    def remember(self, row: FeatureRow, recipe: FeatureRecipe) -> None:
        """Keep a new row in memory, with the features known before, and write it to the store.

        Parameters
        ----------
        row : FeatureRow
        recipe : FeatureRecipe
            The recipe that the row was computed by.
        """
        settings = recipe.settings.digest
        if (older := self._recent.get((row.id, settings))) is not None:
            row = row.merged(older)
        self._keep(row, settings)
        self._threads.submit(
            self._store.put, row, dataset=recipe.settings.dataset, settings=settings
        )

    def close(self) -> None:
        """Finish pending writes, and close the store."""
        self._threads.shutdown()
        self._store.close()

    def _keep(self, row: FeatureRow, settings: str) -> None:
        if _size(row) <= self._recent.maxsize:  # larger ones are only in the store
            self._recent[row.id, settings] = row


def _size(row: FeatureRow) -> int:
    """Estimate the bytes of a row; ids of declared networks may have a megabyte."""
    reasons = sum(map(sys.getsizeof, row.reasons.values()))
    return sys.getsizeof(row.id) + reasons + _BYTES_A_VALUE * (len(row.values) + len(row.errors))
