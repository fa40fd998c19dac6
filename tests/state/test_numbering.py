"""Entries are found by their ids, however many there are and whatever their ids have in common."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from synaptic_crdt.state.numbering import Numbering

# Few beginnings, so that many ids share one.
IDS = st.tuples(st.sampled_from([b"aaaa", b"aaab", b"b\0\0\0"]), st.binary(max_size=2)).map(
    b"".join
)


@given(st.lists(st.lists(IDS, max_size=9), max_size=9), IDS)
def test_every_id_is_found_under_its_number(
    batches: Sequence[Sequence[bytes]], other: bytes
) -> None:
    numbering = Numbering()
    ids: list[bytes] = []
    for batch in batches:
        numbering.extend(batch)
        ids += batch
    for number, each in enumerate(ids):
        assert number in set(numbering.find(each))
    for each in (*ids, other):
        found = list(numbering.find(each))
        assert len(found) == len(set(found))
        assert all(ids[number][:4] == each[:4] for number in found)


def test_what_is_shorter_than_an_id_is_found_nowhere() -> None:
    numbering = Numbering()
    numbering.extend([bytes([1]) * 32])
    assert list(numbering.find(b"")) == []
    assert list(numbering.find(b"\1")) == []
