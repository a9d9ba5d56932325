"""``python -m training.commands`` is ``acorn``."""

from training.commands.main import main

if __name__ == "__main__":
    main()
