"""`python -m rimlib.cli`: the same as `rim`."""

import sys

from rimlib.cli import main

sys.exit(main())
