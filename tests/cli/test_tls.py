"""``wss:`` as a person uses it: a process that trusts what its machine trusts, a proxy before the
other end, and an authority that only this test knows.
"""

import datetime as dt
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.conftest import Done, Json, copy_homes, tell

PROGRAM = [sys.executable, "-m", "synaptic_crdt.cli"]
DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates; who trusts its file trusts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody else's authority")])
        self.path = folder / "authority.pem"
        certificate = (
            self._build(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def certify(self, host: str) -> ssl.SSLContext:
        """Return what serves as a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._build(name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self._folder / f"{host}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context

    def _build(
        self, name: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )


def carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(context: ssl.SSLContext, port: int) -> Generator[int]:
    """Carry one connection after the other from TLS to a port; yield where."""

    def serve(door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                raw, _ = door.accept()
                with (
                    suppress(OSError),
                    context.wrap_socket(raw, server_side=True) as outer,
                    socket.create_connection(("127.0.0.1", port)) as inner,
                ):
                    back = threading.Thread(target=carry, args=(inner, outer))
                    back.start()
                    carry(outer, inner)
                    back.join()

    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        thread = threading.Thread(target=serve, args=(door,))
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


def sync(address: str, environment: Mapping[str, str]) -> Done:
    done = subprocess.run(
        [*PROGRAM, "--home", "paul", "--json", "sync", address], env={**os.environ, **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def fill(told: Callable[..., Json]) -> None:
    told("rita", "init", "--name", "Test", "--account-name", "Rita")
    told("paul", "join", told("rita", "invite")["ticket"], "--account-name", "Paul")


def test_a_process_trusts_what_its_machine_trusts_and_checks_the_name(
    make_once: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_homes(make_once("linked by TLS", fill), tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNAPTIC_PASSPHRASE", "")
    authority = Authority(tmp_path)
    trusting = {"SSL_CERT_FILE": str(authority.path)}
    listening = subprocess.Popen(
        [*PROGRAM, "--home", "rita", "--json", "listen", "ws://127.0.0.1:0/market"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert listening.stderr is not None
        event: dict[str, Any] = json.loads(listening.stderr.readline())
        inner = urlsplit(str(event["address"])).port
        assert inner is not None
        with proxying(authority.certify("localhost"), inner) as port:
            done = sync(f"wss://localhost:{port}/market", trusting)
            assert (done.code, done.json["equal"]) == (0, True), done
            assert tell("paul", "state")["root"] == tell("rita", "state")["root"]
            # Whoever does not trust the authority is not linked, nor is who asks for another name.
            for address, environment, words in (
                (f"wss://localhost:{port}/market", {}, "certificate verify failed"),
                (f"wss://127.0.0.1:{port}/market", trusting, "IP address mismatch"),
            ):
                done = sync(address, environment)
                assert (done.code, words in done.err) == (3, True), done
        with proxying(authority.certify("elsewhere.example"), inner) as port:
            done = sync(f"wss://localhost:{port}/market", trusting)
            assert (done.code, "Hostname mismatch" in done.err) == (3, True), done
    finally:
        listening.send_signal(signal.SIGTERM)
        listening.communicate(timeout=60)
