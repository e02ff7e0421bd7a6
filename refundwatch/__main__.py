"""`python -m refundwatch` is the script."""

import sys

from refundwatch.cli import main

sys.exit(main())
