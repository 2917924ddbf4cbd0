"""`python -m pliant_jobs` is `pliant`."""

import sys

from pliant_jobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
