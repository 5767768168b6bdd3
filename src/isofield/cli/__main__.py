"""`python -m isofield.cli` is `isofield`."""

import sys

from isofield.cli import main

sys.exit(main())
