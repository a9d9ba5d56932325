"""Computed features at hand: the latest in memory, all of them in the store."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from models.feature_table import FeatureRow
from service.features import FeatureRecipe
from service.store import FeatureStore

CAPACITY = 2_000


class FeatureCache:
    """Rows by id and settings; a row remembered is found at once, whether the store works or not.

    All methods are for the event loop's thread; the store is used in threads.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._recent: OrderedDict[tuple[str, str], FeatureRow] = OrderedDict()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="acorn-store")

    async def find(self, ids: Sequence[str], recipe: FeatureRecipe) -> dict[str, FeatureRow]:
        """Find the rows that are known and have every feature of the recipe."""
        settings = recipe.settings.digest
        found = {id_: self._recent[id_, settings] for id_ in ids if (id_, settings) in self._recent}
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            loop = asyncio.get_running_loop()
            stored = await loop.run_in_executor(self._threads, self._store.get, missing, settings)
            for row in stored.values():
                self._keep(row, settings)
            found |= stored
        # A forest of more features than the row's own forest had needs it computed anew.
        names = set(recipe.names)
        return {id_: row for id_, row in found.items() if names <= row.values.keys()}

    def remember(self, row: FeatureRow, recipe: FeatureRecipe) -> None:
        """Keep a row that was just computed."""
        settings = recipe.settings.digest
        self._keep(row, settings)
        self._threads.submit(
            self._store.put, row, dataset=recipe.settings.dataset, settings=settings
        )

    def close(self) -> None:
        """Finish what is being written, and close the store."""
        self._threads.shutdown()
        self._store.close()

    def _keep(self, row: FeatureRow, settings: str) -> None:
        self._recent[row.id, settings] = row
        self._recent.move_to_end((row.id, settings))
        while len(self._recent) > CAPACITY:
            self._recent.popitem(last=False)
