"""Print every figure, with what the machine itself can do."""

import platform
import sys

from benchmarks.documents import print_documents
from benchmarks.folding import print_folding
from benchmarks.gossip import print_gossip
from benchmarks.machine import print_machine
from benchmarks.merging import print_merging
from benchmarks.opening import print_opening
from benchmarks.reconciling import print_reconciling
from benchmarks.starting import print_starting
from benchmarks.syncing import print_syncing


def main() -> None:
    """Measure and print all groups."""
    print(f"synaptic-crdt on {platform.python_implementation()} {sys.version.split()[0]}")
    print_machine()
    # `python -m benchmarks --large` takes some minutes and GiB more.
    with_large = "--large" in sys.argv
    print_folding(with_large=with_large)
    print_merging()
    print_opening(with_large=with_large)
    print_syncing()
    print_reconciling()
    print_gossip()
    print_documents()
    print_starting()


if __name__ == "__main__":
    main()
