"""Events as people and programs get them: whole, bounded, and without control characters."""

import json

import pytest

from synaptic_crdt.exec import display, events

A, B = b"\xaa" * 32, b"\xbb" * 32
HOSTILE = "\x1b[31mred\n" + "x" * 10_000

ALL: tuple[events.Event, ...] = (
    events.Accepted(A, B, 5),
    events.Waiting(A, "its acceptance is not final yet"),
    events.Started(A, "rehearsal", 12.5),
    events.Delivered(A, B, 100),
    events.Failed(A, "deadline"),
    events.Declined(A, "policy"),
    events.Lost(A, "it was reversed"),
    events.PassedOver(A, "policy", "kind x is not among the kinds of the policy"),
    events.PolicyUnreadable("not TOML"),
)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_an_event_is_a_json_object_of_all_its_fields(event: events.Event) -> None:
    fields = events.encode_event(event)
    assert json.loads(json.dumps(fields)) == fields
    assert set(fields) == {"event", *event.__struct_fields__}


def test_no_two_events_share_a_word() -> None:
    assert len({events.encode_event(event)["event"] for event in ALL}) == len(ALL)


def test_ids_are_shown_in_hex() -> None:
    fields = events.encode_event(events.Accepted(A, B, 5))
    assert fields == {"event": "accepted", "task": "aa" * 32, "assignment": "bb" * 32, "ask": 5}


@pytest.mark.parametrize(
    "event",
    [
        events.PassedOver(A, "contract", HOSTILE),
        events.Lost(A, HOSTILE),
        events.PolicyUnreadable(HOSTILE),
    ],
)
def test_hostile_text_is_tamed(event: events.Event) -> None:
    text = str(events.encode_event(event)["reason"])
    assert text.isprintable()
    assert len(text) <= 300


@pytest.mark.parametrize(
    ("text", "shown"),
    [("abc", "abc"), ("abcde", "abcde"), ("abcdef", "ab..."), ("a\tb\x00", "a b "), ("", "")],
)
def test_text_is_cut_at_its_limit(text: str, shown: str) -> None:
    assert display.clean_text(text, 5) == shown
    assert display.clean_bytes(text.encode(), 5) == shown


def test_a_character_that_is_cut_in_half_shows_as_one() -> None:
    assert display.clean_bytes("né".encode()[:-1], 5) == "n\ufffd"
