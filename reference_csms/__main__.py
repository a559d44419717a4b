"""`python -m reference_csms`."""

from __future__ import annotations

import sys

from reference_csms.process import main

if __name__ == "__main__":
    sys.exit(main())
