"""The vectors of the two shapes of credentials: twenty that are refused, and twenty that are not.

``credentials.json`` holds operations by name with the verdict of their form and, where one is
found, its shape, field and offset. What is in the file never changes: to change it is to make
another contract.

``python -m tests.vectors.make_credentials`` writes the file if it is not there yet.
"""

import json
from typing import Any, Final

from synaptic_crdt.rules.form import read_operation
from synaptic_crdt.rules.operations import TokenTransfer, encode_operation
from synaptic_crdt.rules.task_form import make_payload
from synaptic_crdt.rules.task_operations import TaskDeliver
from synaptic_crdt.rules.verdicts import Refusal, Verdict
from synaptic_crdt.state.codec import Value, encode
from tests.vectors.make_market import FOLDER

PATH: Final = FOLDER / "credentials.json"

_HASH: Final = b"\xaa" * 32
# In parts, so that this file itself holds no such shape.
_KEY: Final = "sk-" + "ant-"
_PEM: Final = "-----" + "BEGIN "
_END: Final = "PRIVATE KEY" + "-----"
_FORTY: Final = "abcdefghijklmnopqrstABCDEFGHIJKLMNOP01_-"


def make_vectors() -> dict[str, dict[str, Any]]:
    """Return the file's content as the code has it now."""
    return {
        "hits": {name: _judge(operation) for name, operation in _list_hits().items()},
        "misses": {name: _judge(operation) for name, operation in _list_misses().items()},
    }


def _judge(operation: list[Value]) -> dict[str, Any]:
    read = read_operation(operation)
    verdict = read.verdict if isinstance(read, Refusal) else Verdict.APPLIED
    told: dict[str, Any] = {"operation": encode(operation).hex(), "verdict": verdict.value}
    if isinstance(read, Refusal) and read.verdict == Verdict.CREDENTIAL_FOUND:
        told |= dict(zip(("shape", "field", "offset"), read.values, strict=True))
    return told


def _list_hits() -> dict[str, list[Value]]:
    key, pem = _KEY + _FORTY, _PEM + _END
    return {
        "key of forty": _memo(key),
        "key of more": _memo(_KEY + "api03-" + _FORTY * 2),
        "key of hyphens": _memo(_KEY + "-" * 40),
        "key of underscores": _memo(_KEY + "_" * 40),
        "key in a sentence": _memo(f"use {key}, thanks"),
        "key after text of two bytes a letter": _memo(f"é{key}"),
        "key behind a shorter one": _memo(f"{_KEY}{_FORTY[:39]}!{key}"),
        "key right behind its own beginning": _memo(_KEY * 2 + _FORTY[:33]),
        "key after letters": _memo(f"xx{key}"),
        "key in bytes": _result(key.encode()),
        "key between zeros": _result(bytes(3) + key.encode() + bytes(3)),
        "key at the end of a large field": _result(b"x" * 40_000 + key.encode()),
        "key in a media type": _deliver(media_type=key),
        "key in an unknown operation": ["secret.tell", 1, key],
        "key as the tag": [key],
        "key where a number belongs": ["token.transfer", _HASH, key, b"", ""],
        "private key": _result(pem.encode()),
        "private key of a kind": _result(f"{_PEM}RSA {_END}\nMIIE".encode()),
        "private key of 64 bytes of label": _memo(f"{_PEM}{'A9 ' * 21} {_END}"),
        "private key before an API key": _result(f"{pem} {key}".encode()),
    }


def _list_misses() -> dict[str, list[Value]]:
    return {
        "key of thirty-nine": _memo(_KEY + _FORTY[:39]),
        "key of thirty-nine and a dot": _memo(_KEY + _FORTY[:39] + "." + _FORTY),
        "key with a space": _memo(_KEY + _FORTY[:20] + " " + _FORTY[20:]),
        "key with a letter of two bytes": _memo(_KEY + _FORTY[:39] + "é"),
        "key in capitals": _memo(_KEY.upper() + _FORTY),
        "key of another house": _memo("sk-" + "proj-" + _FORTY),
        "key without a hyphen": _memo(_KEY[:-1] + _FORTY[:-1] + "z"),
        "key broken over a line": _memo(_KEY + "\n" + _FORTY),
        "key in two fields": ["token.transfer", _HASH, 5, _KEY.encode(), _FORTY * 2],
        "key in zeros between": _result(b"\0".join(bytes((byte,)) for byte in (_KEY * 9).encode())),
        "only the beginning of a key": _memo(_KEY),
        "beginnings of keys": _result((_KEY + _FORTY[:32] + "!").encode() * 1_200),
        "public key": _memo(_PEM + "PUBLIC KEY" + "-----"),
        "certificate": _memo(_PEM + "CERTIFICATE" + "-----"),
        "certificate, then the end of a private key": _memo(f"{_PEM}CERTIFICATE----- {_END}"),
        "private key in small letters": _memo((_PEM + _END).lower()),
        "private key of 65 bytes of label": _memo(f"{_PEM}{'A9 ' * 21}A {_END}"),
        "private key with four hyphens before": _memo((_PEM + _END)[1:]),
        "private key with four hyphens behind": _memo((_PEM + _END)[:-1]),
        "block of another kind of private key": _memo(f"{_PEM}PGP {_END[:11]} BLOCK-----"),
    }


def _memo(text: str) -> list[Value]:
    return encode_operation(TokenTransfer(_HASH, 5, b"", text))


def _result(data: bytes) -> list[Value]:
    return _deliver(data=data)


def _deliver(media_type: str = "text/plain", data: bytes = b"x") -> list[Value]:
    return encode_operation(TaskDeliver(_HASH, make_payload(media_type, data), None, ()))


def main() -> None:
    """Write the file if it is not there yet."""
    if not PATH.exists():
        PATH.write_text(json.dumps(make_vectors(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
