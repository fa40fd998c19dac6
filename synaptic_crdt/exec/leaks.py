"""The wide scan: what an author's own node looks for before it signs or encrypts anything.

Finds keys of model vendors, clouds, code hosts and payment services by the beginnings they are
given for this purpose; private keys; JSON web tokens whose header is one; tokens after ``Bearer``,
passwords in URLs, and random values that are assigned to a name such as ``api_key``. Says which
kind and from which byte on, never the value.

By itself a random string is no leak: hashes, ids and keys of devices look the same, and a scan that
cries wolf is switched off. So randomness counts only where the words before it say what it is. What
is compressed, encrypted or encoded is not looked into. Each pattern is bounded, so that the time is
in proportion to the text. It is advice to its owner, who can overrule it field by field; the
contract's own two shapes nobody can.
"""

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import msgspec

from synaptic_crdt.errors import PolicyRefused
from synaptic_crdt.rules.operations import Operation

_ENTROPY_BITS: Final = 3.0  # a letter; words and placeholders of this length have less

_NUMBERS: Final = 2  # within one value; names of types and versions have one


class Leak(msgspec.Struct, frozen=True):
    """What kind of secret seems to begin at which byte."""

    kind: str
    offset: int


class _Rule(msgspec.Struct, frozen=True):
    """A pattern, and what its match must look like besides.

    Compiled when it is first searched for: a command that only reads searches for none.
    """

    kind: str
    pattern: bytes
    confirm: Callable[[re.Match[bytes]], bool]


def find_leak(data: bytes) -> Leak | None:
    """Return the first thing in a text or a file that looks like a secret."""
    leaks = [leak for rule in _RULES for leak in (_apply(rule, data),) if leak is not None]
    if not leaks and b"\0" in data:
        # UTF-16 and UTF-32 put zeros between the letters.
        plain = data.replace(b"\0", b"")
        leaks = [Leak(leak.kind, 0) for leak in (find_leak(plain),) if leak is not None]
    return min(leaks, key=lambda leak: leak.offset, default=None)


def check_operation(operation: Operation, allowed: Sequence[str]) -> None:
    """Raise ``PolicyRefused`` when a field of an operation holds what looks like a secret.

    ``allowed`` names the fields that may, as in ``seats[0].payload.inline``; who allows ``seats``
    allows all within.
    """
    check_leaks(dict(_list_fields("", operation)), allowed)


def check_leaks(fields: Mapping[str, bytes], allowed: Sequence[str]) -> None:
    """Raise ``PolicyRefused`` when one of these fields holds what looks like a secret."""
    # All at once first: nearly always that is the end of it.
    if find_leak(b"\n".join(fields.values())) is None:
        return
    for field, value in fields.items():
        leak = find_leak(value)
        if leak is not None and not _is_allowed(field, allowed):
            raise PolicyRefused(
                f"{field} holds what looks like {leak.kind}, from byte {leak.offset} on; nothing was"
                " signed or encrypted, since what is once in the document stays there. Take it out,"
                f" or, if it is no secret, say --allow-secret '{field}'"
            )


def _list_fields(name: str, value: object) -> Iterator[tuple[str, bytes]]:
    """Return every text and byte field within a value, by its name."""
    match value:
        case bytes():
            yield name, value
        case str():
            yield name, value.encode()
        case tuple():
            for place, item in enumerate(cast("tuple[object, ...]", value)):
                yield from _list_fields(f"{name}[{place}]", item)
        case msgspec.Struct():
            for field in value.__struct_fields__:
                inner = f"{name}.{field}" if name else field
                yield from _list_fields(inner, getattr(value, field))
        case _:
            pass


def _is_allowed(field: str, allowed: Sequence[str]) -> bool:
    return any(field == name or field.startswith((name + ".", name + "[")) for name in allowed)


def _apply(rule: _Rule, data: bytes) -> Leak | None:
    for match in re.finditer(rule.pattern, data):
        if rule.confirm(match):
            return Leak(rule.kind, match.start())
    return None


def _is_random(match: re.Match[bytes]) -> bool:
    """Does what follows the beginning look drawn by lot?"""
    return _looks_random(match[1])


def _looks_random(value: bytes) -> bool:
    """Is it mixed of letters and digits, and of many different ones?"""
    has_letters = re.search(rb"[A-Za-z]", value) is not None
    has_digits = len(re.findall(rb"[0-9]+", value)) >= _NUMBERS
    return has_letters and has_digits and _compute_entropy(value) >= _ENTROPY_BITS


def _is_varied(match: re.Match[bytes]) -> bool:
    """Is it no word and no placeholder? Enough where the beginning says what it is."""
    value = match[1]
    is_mixed = value not in {value.lower(), value.upper()}
    has_digit = re.search(rb"[0-9]", value) is not None
    return (is_mixed or has_digit) and _compute_entropy(value) >= _ENTROPY_BITS


def _is_random_and_mixed(match: re.Match[bytes]) -> bool:
    """Is it random, of small letters and capitals? Else it may be a name in many parts."""
    value = match[1]
    return value not in {value.lower(), value.upper()} and _is_random(match)


def _is_no_example(match: re.Match[bytes]) -> bool:
    """Is it other than what a vendor's own documentation shows?"""
    return b"EXAMPLE" not in match[0]


def _is_named_secret(match: re.Match[bytes]) -> bool:
    """Do the words before say that it is secret, and is it random?"""
    before = match.string[max(0, match.start() - _NAME_BYTES) : match.start() + len(match[1])]
    if re.search(_NAMES, before) is None:
        return False
    return _looks_random(match[2])


def _is_password(match: re.Match[bytes]) -> bool:
    """Is it more than one of the words that stand for a password in examples?"""
    value = match[1]
    return value.lower() not in _PLACEHOLDERS and re.search(rb"[<>{}$*%]|\.\.\.", value) is None


def _is_name_and_password(match: re.Match[bytes]) -> bool:
    """Does it say, decoded, a name and a password?"""
    try:
        plain = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return False
    return re.fullmatch(rb"[!-9;-~]{1,64}:[ -~]{4,128}", plain) is not None


def _is_web_token(match: re.Match[bytes]) -> bool:
    """Is its first part the JSON of a header that names an algorithm?"""
    head = match[0].partition(b".")[0]
    try:
        header: object = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(header, dict) and "alg" in header


def _is_certain(_: re.Match[bytes]) -> bool:
    """Nothing else is written so."""
    return True


def _compute_entropy(value: bytes) -> float:
    """Return the bits a letter of a value carries, by how often each occurs in it."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


_PLACEHOLDERS: Final = frozenset(
    b"password passwd pass pw pwd secret token changeme example user username admin root test guest"
    b" postgres mysql hunter2 your_password your-password yourpassword mypassword my_password"
    b" foo bar pwd123 password123 xxx xxxx pass123 anonymous thing".split()
)

# What makes a key or a token one that nobody else may see; a public key is none.
_NAME_BYTES: Final = 16
_NAMES: Final = (
    rb"(?i)(?:(?:api|secret|private|access|auth|account|signing|encryption|master|service)[_.-]?key"
    rb"|(?:auth|access|api|bearer|refresh|session|bot|deploy|personal|secret)[_.-]?token"
    rb"|secret|passwd|password|passphrase)$"
)


def _rule(
    kind: str, start: bytes, rest: bytes, confirm: Callable[[re.Match[bytes]], bool] = _is_certain
) -> _Rule:
    """Return a rule whose matches begin with ``start``, and not in the midst of a word."""
    # A pattern that begins with plain bytes is searched for many times as fast.
    edge = rb"(?<![A-Za-z0-9_+/=-]" + start + rb")"
    return _Rule(kind, start + edge + rest, confirm)


_RULES: Final[tuple[_Rule, ...]] = (
    _rule("an Anthropic key", b"sk-ant-", rb"([A-Za-z0-9_-]{24,})", _is_random_and_mixed),
    _rule(
        "an OpenAI key",
        b"sk-",
        rb"(?:proj-|svcacct-|admin-)?([A-Za-z0-9_-]{32,200})(?![A-Za-z0-9_-])",
        _is_random_and_mixed,
    ),
    _rule("an AWS key id", b"AKIA", rb"[A-Z2-7]{16}(?![A-Za-z0-9/+=])", _is_no_example),
    _rule("an AWS key id", b"ASIA", rb"[A-Z2-7]{16}(?![A-Za-z0-9/+=])", _is_no_example),
    _rule("a Google API key", b"AIza", rb"([A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])", _is_varied),
    _rule("a Google OAuth token", rb"ya29\.", rb"([A-Za-z0-9_-]{20,500})", _is_varied),
    _rule("a Google client secret", b"GOCSPX-", rb"[A-Za-z0-9_-]{28}"),
    _rule("an Azure account key", b"AccountKey=", rb"[A-Za-z0-9+/]{86}=="),
    _rule("a GitHub token", b"gh", rb"[pousr]_([A-Za-z0-9]{36,255})", _is_varied),
    _rule("a GitHub token", b"github_pat_", rb"([A-Za-z0-9_]{50,255})", _is_varied),
    _rule("a GitLab token", b"gl", rb"(?:pat|dt|rt|cbt|ptt)-([A-Za-z0-9_.-]{20,64})", _is_varied),
    _rule("a Slack token", b"xox", rb"[abeoprs]-([A-Za-z0-9-]{10,250})", _is_varied),
    _Rule(
        "a Slack webhook",
        rb"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/([A-Za-z0-9]{20,32})",
        _is_varied,
    ),
    _rule("a Stripe key", b"sk_live_", rb"([A-Za-z0-9]{16,250})", _is_varied),
    _rule("a Stripe key", b"rk_live_", rb"([A-Za-z0-9]{16,250})", _is_varied),
    _rule("a SendGrid key", rb"SG\.", rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _rule("a DigitalOcean token", b"do", rb"[opr]_v1_[a-f0-9]{64}"),
    _rule("a Hugging Face token", b"hf_", rb"[A-Za-z]{34}(?![A-Za-z0-9_])"),
    _rule("an npm token", b"npm_", rb"([A-Za-z0-9]{36})(?![A-Za-z0-9_])", _is_varied),
    _rule("a PyPI token", b"pypi-AgE", rb"[A-Za-z0-9_-]{50,500}"),
    _rule("a private key", b"-----BEGIN ", rb"[A-Z0-9 ]{0,64}PRIVATE KEY(?: BLOCK)?-----"),
    _rule("a private key", b"PuTTY-User-Key-File-", rb"[0-9]: "),
    _rule("a private key", b"AGE-SECRET-KEY-1", rb"[A-Z0-9]{58}"),
    _rule(
        "a JSON web token",
        b"eyJ",
        rb"[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{16,1024}",
        _is_web_token,
    ),
    _rule("a bearer token", b"Bearer ", rb"([A-Za-z0-9._~+/-]{16,4096}=*)", _is_random),
    _rule("a bearer token", b"bearer ", rb"([A-Za-z0-9._~+/-]{16,4096}=*)", _is_random),
    _rule(
        "a password for the web", b"Basic ", rb"([A-Za-z0-9+/]{8,512}={0,2})", _is_name_and_password
    ),
    _Rule(
        "a password in a URL",
        rb"://[A-Za-z0-9_.~%-]{1,64}:([^\s:@/\"'`<>\\]{4,128})@[A-Za-z0-9]",
        _is_password,
    ),
    _Rule(
        "a secret by its name",
        (
            rb"(key|token|secret|passw(?:or)?d|passphrase"
            rb"|K(?:EY|ey)|T(?:OKEN|oken)|S(?:ECRET|ecret)|P(?:ASS(?:WORD|WD)|ass(?:word|wd)))"
            rb"[\"']?\]?[ \t]{0,4}(?::=|=>|[:=])[ \t]{0,4}[\"'`]?"
            rb"([A-Za-z0-9+/=_~-]{20,512})(?![A-Za-z0-9+/=_~.(\[-])"
        ),
        _is_named_secret,
    ),
)
