"""Where a bundle is damaged: asked once its checksum does not fit, which says only that it is.

Everything in a bundle but its framing is under a seal or a signature, so the first record that
does not verify is where the damage is, named by its bytes and, where it has them, by feed and
position. What comes behind it is not looked at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from synaptic_crdt.errors import Forged, MalformedInput, StoreFailed
from synaptic_crdt.sync.inspection import Inspection
from synaptic_crdt.sync.transports.bundle_format import HEAD, read_genesis_record, read_records

# Makes the inspection of the market of a genesis; may raise ``MalformedInput``.
InspectionMaker = Callable[[bytes], Inspection]


def find_damage(path: Path, make_inspection: InspectionMaker) -> str:
    """Return which bytes of a damaged bundle are the first that do not verify, and why.

    Raises ``StoreFailed``.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(HEAD)) != HEAD:
                return f"bytes 0 to {len(HEAD) - 1}: this is not how a bundle begins"
            return _find_record(file, make_inspection)
    except OSError as error:
        raise StoreFailed(f"{path}: {error}") from error


def _find_record(file: BinaryIO, make_inspection: InspectionMaker) -> str:
    start = file.tell()
    what = "the genesis"
    try:
        inspection = make_inspection(read_genesis_record(file))
        # Every seal depends on the genesis: if not even the first verifies, it may be altered.
        what = "the genesis or the first piece"
        for record in read_records(file):
            if isinstance(record, bytes):
                inspection.inspect_statement(record)
            else:
                inspection.inspect_piece(record)
            start, what = file.tell(), "the record there"
    except (Forged, MalformedInput) as error:
        return f"bytes {start} to {file.tell() - 1}, {what}: {error}"
    return f"bytes {file.tell()} onward, the checksum: all before it verifies"
