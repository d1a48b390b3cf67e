"""Runs ``python -m storm``."""

import sys

from storm.runner import main

if __name__ == "__main__":
    sys.exit(main())
