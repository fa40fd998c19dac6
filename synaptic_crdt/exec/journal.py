"""What a worker has begun and finished, on disk before the next step: so that a crash neither pays
twice for a model's answer nor loses one.

One file an assignment, written whole or not at all: it says that a run began, and then holds its
result until that was handed in; then it is gone. So the states are

    nothing -> begun -> finished -> nothing

and whoever restarts knows from the file alone what to do: without one nothing was run; begun means
that a run may have cost something and has no result; finished, that there is one to hand in.
Between the moment in which an executor returns and the one in which its result is on disk a crash
still loses it; nothing can be done between the two but that.

Results are encrypted to this device's own key: the folder tells as little of private work as the
device's key file does without its passphrase. What is damaged is set aside under another name and
counts as begun, since it may have been paid for. A result is bound to its assignment and its
market, sizes are bounded before they are read, and so is how many records there are.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec

from synaptic_crdt.errors import Forged, MalformedInput, StoreFailed
from synaptic_crdt.exec.executors.base import Result
from synaptic_crdt.exec.payloads import ContentKey, Context, open_key
from synaptic_crdt.folders import make_folder
from synaptic_crdt.rules.task_operations import SealedKey
from synaptic_crdt.state.keys import DeviceKey
from synaptic_crdt.state.limits import HASH_BYTES, KIB, MIB

# Writes a file that only its owner can read, whole or not at all, durable on return.
Write = Callable[[Path, bytes], None]

_FILE_BYTES: Final = 65 * MIB  # the largest result, padded, and what is said of it
_HEADER_BYTES: Final = 4 * KIB
_PRIVATE_DIRECTORY: Final = 0o700
_SUFFIX: Final = ".job"
_DAMAGED: Final = ".damaged"
_RECORDS: Final = 256  # more than a worker may owe


class Begun(msgspec.Struct, frozen=True):
    """A run that has begun, by this machine's clock; what came of it is not known.

    ``damage`` says why, if there was a record that could not be read.
    """

    at_ms: int
    damage: str = ""


class Finished(msgspec.Struct, frozen=True):
    """A run that has ended with a result, which was not handed in."""

    at_ms: int
    result: Result


class _Header(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The first line of a file; with a sealed key a ciphertext follows it."""

    at_ms: int
    media_type: Annotated[str, msgspec.Meta(max_length=256)] = ""
    commitment: bytes = b""
    sealed: bytes = b""


class Journal:
    """The records of one home's worker in one market; the folder is made when the first comes."""

    def __init__(self, folder: Path, device: DeviceKey, market: bytes, write: Write) -> None:
        self._folder: Final = folder
        self._device: Final = device
        self._market: Final = market
        self._write: Final = write

    def begin(self, assignment: bytes, at_ms: int) -> None:
        """Put on record that a run begins; durable on return. Raises ``StoreFailed``."""
        try:
            make_folder(self._folder, _PRIVATE_DIRECTORY)
        except OSError as error:
            raise StoreFailed(f"{self._folder}: {error.strerror}; nothing was begun") from error
        self._keep(assignment, _Header(at_ms), b"")

    def finish(self, assignment: bytes, at_ms: int, result: Result) -> None:
        """Keep the result of a run; durable on return. Raises ``StoreFailed``."""
        key, device = ContentKey.make(), self._device
        (box,) = key.seal({device.public: device.get_exchange_public()})
        header = _Header(at_ms, result.media_type, key.commitment, box.sealed)
        self._keep(assignment, header, key.encrypt(result.data, self._bind(assignment)))

    def find(self, assignment: bytes) -> Begun | Finished | None:
        """Return what is on record of an assignment; what is damaged is set aside, and told once.

        Raises ``StoreFailed`` when the disk does not let it be read.
        """
        path = self.get_path(assignment)
        try:
            with path.open("rb") as file:
                data = file.read(_FILE_BYTES + 1)
        except FileNotFoundError:
            return Begun(0) if self._get_damaged(assignment).exists() else None
        except OSError as error:
            raise StoreFailed(f"{path}: {error.strerror}; no work is begun without it") from error
        try:
            return self._decode(assignment, data)
        except (Forged, MalformedInput, msgspec.DecodeError, UnicodeDecodeError) as error:
            with suppress(OSError):
                path.replace(self._get_damaged(assignment))
            return Begun(0, f"{path} was damaged and is set aside: {error}")

    def forget(self, assignment: bytes) -> None:
        """Take an assignment off the record: it was handed in, or is no concern any more."""
        # What stays, or comes back after a power cut, is of an assignment that is over, and swept.
        for path in (self.get_path(assignment), self._get_damaged(assignment)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def sweep(self, is_over: Callable[[bytes], bool]) -> None:
        """Forget what is over, and the oldest of what would be too much."""
        kept: list[tuple[float, bytes]] = []
        for assignment, path in list(self._list()):
            if is_over(assignment):
                self.forget(assignment)
            else:
                kept.append((path.stat().st_mtime, assignment))
        for _, assignment in sorted(kept)[:-_RECORDS]:
            self.forget(assignment)

    def get_path(self, assignment: bytes) -> Path:
        """Return where the record of an assignment is, if there is one."""
        return self._folder / f"{assignment.hex()}{_SUFFIX}"

    def _list(self) -> Iterator[tuple[bytes, Path]]:
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            name = path.name.removesuffix(_DAMAGED)
            digits = name.removesuffix(_SUFFIX)
            if name != digits and _is_id(digits):
                yield bytes.fromhex(digits), path

    def _keep(self, assignment: bytes, header: _Header, ciphertext: bytes) -> None:
        line = msgspec.json.encode(header)
        self._write(self.get_path(assignment), line + b"\n" + ciphertext)

    def _decode(self, assignment: bytes, data: bytes) -> Begun | Finished:
        line, newline, _ = data[:_HEADER_BYTES].partition(b"\n")
        if not newline or len(data) > _FILE_BYTES:
            raise MalformedInput("no record of a job")
        header = msgspec.json.decode(line, type=_Header)
        if not header.sealed:
            return Begun(header.at_ms)
        box = SealedKey(self._device.public, header.sealed)
        key = open_key([box], self._device, header.commitment)
        assert key is not None  # it is sealed to this device, or it was refused
        ciphertext = data[len(line) + 1 :]
        content = key.decrypt(ciphertext, self._bind(assignment))
        return Finished(header.at_ms, Result(header.media_type, content))

    def _bind(self, assignment: bytes) -> Context:
        return Context(self._market, "result", assignment)

    def _get_damaged(self, assignment: bytes) -> Path:
        return self._folder / f"{assignment.hex()}{_SUFFIX}{_DAMAGED}"


def _is_id(digits: str) -> bool:
    return len(digits) == 2 * HASH_BYTES and all(each in "0123456789abcdef" for each in digits)
