"""The secure channel makes and reads the messages that other implementations published."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from synaptic_crdt.sync.noise import Handshake

VECTORS: Final[list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("noise.json").read_text("utf-8")
)


def make_end(vector: dict[str, str], end: str) -> Handshake:
    prologue, static, ephemeral = (
        bytes.fromhex(vector[f"{end}_{name}"]) for name in ("prologue", "static", "ephemeral")
    )
    return Handshake(
        is_initiator=end == "init", prologue=prologue, static=static, ephemeral=ephemeral
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["source"]).split()[0])
def test_every_published_message_is_made_and_read(vector: dict[str, Any]) -> None:
    ends = make_end(vector, "init"), make_end(vector, "resp")
    write: list[Callable[[bytes], bytes]] = [end.write for end in ends]
    read: list[Callable[[bytes], bytes]] = [end.read for end in ends]
    for number, message in enumerate(vector["messages"]):
        if number == 3:
            ciphers = [end.split() for end in ends]
            write = [send.encrypt for send, _ in ciphers]
            read = [receive.decrypt for _, receive in ciphers]
        payload, published = (bytes.fromhex(message[name]) for name in ("payload", "ciphertext"))
        assert write[number % 2](payload) == published
        assert read[1 - number % 2](published) == payload
    assert ends[0].hash == ends[1].hash
    assert vector["handshake_hash"] in {None, ends[0].hash.hex()}


def test_vectors_of_three_implementations_are_here() -> None:
    assert len({vector["source"] for vector in VECTORS}) == 3
    assert sum(vector["handshake_hash"] is not None for vector in VECTORS) == 2
    assert all(len(vector["messages"]) >= 5 for vector in VECTORS)
