"""The passes: each file defines and registers the passes that share a forward.

Importing this package imports every file in it, in the order of their names.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
