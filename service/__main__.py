"""``python -m service`` is ``acorn``."""

from service.cli import main

if __name__ == "__main__":
    main()
