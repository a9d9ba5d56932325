"""Puts the released bundles into the wheel; pyproject.toml has everything else."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLES = "models/released"


class BuildWithBundles(build_py):
    """Build the packages in an empty folder, with the released bundles as ``acorn/released``.

    An editable install has no copy: the library finds the bundles in the checkout.
    """

    def run(self) -> None:
        """Copy the packages, then the bundles."""
        if self.editable_mode:
            super().run()
            return
        # Modules that have been removed since the last build must not be in the wheel.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        shutil.copytree(BUNDLES, Path(self.build_lib, "acorn", "released"))


setup(cmdclass={"build_py": BuildWithBundles})
