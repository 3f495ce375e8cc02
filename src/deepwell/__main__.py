"""`python -m deepwell` is the command line."""

from deepwell.cli import main

raise SystemExit(main())
