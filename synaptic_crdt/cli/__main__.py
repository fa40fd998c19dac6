"""``python -m synaptic_crdt.cli``: the same command, named by its interpreter."""

import sys

from synaptic_crdt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
