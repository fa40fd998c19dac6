"""The content keys that this device made, for when they are to be revealed or its own contents
read again.

Each is sealed to the device's own exchange key, so that the folder tells as little as the device's
key file does without its passphrase, and named by its commitment. Who loses them, or works on
another device of the account, cannot reveal a key any more.
"""

from pathlib import Path
from typing import Final

from synaptic_crdt.errors import StoreDamaged, StoreFailed
from synaptic_crdt.exec.payloads import ContentKey, open_key
from synaptic_crdt.folders import make_folder
from synaptic_crdt.node.home import write_privately
from synaptic_crdt.rules.task_operations import SEALED_KEY_BYTES, SealedKey
from synaptic_crdt.state.keys import DeviceKey


class KeyRing:
    """The keys kept in one folder, which is made when the first one comes."""

    def __init__(self, folder: Path, device: DeviceKey) -> None:
        self._folder: Final = folder
        self._device: Final = device

    def keep(self, key: ContentKey) -> None:
        """Keep a key, durably. Raises ``StoreFailed``."""
        device = self._device
        (sealed,) = key.seal({device.public: device.get_exchange_public()})
        try:
            make_folder(self._folder, 0o700)
        except OSError as error:
            raise StoreFailed(f"{self._folder}: {error.strerror}") from error
        write_privately(self._get_path(key.commitment), sealed.sealed)

    def get(self, commitment: bytes) -> ContentKey | None:
        """Return a key by its commitment, or None when this device did not make it.

        Raises ``StoreDamaged`` or ``Forged`` when the file is not what was kept.
        """
        path = self._get_path(commitment)
        try:
            with path.open("rb") as file:
                sealed = file.read(SEALED_KEY_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreDamaged(f"{path}: {error.strerror}") from error
        return open_key([SealedKey(self._device.public, sealed)], self._device, commitment)

    def _get_path(self, commitment: bytes) -> Path:
        return self._folder / f"{commitment.hex()}.key"
