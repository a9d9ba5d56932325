"""``python -m training``: the same program as ``acorn train``."""

import typer

from training.commands.pipeline.train import train

if __name__ == "__main__":
    typer.run(train)
