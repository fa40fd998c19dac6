"""The contract still finds the credentials that were published, where they were, and no others."""

import json
from typing import Any

from synaptic_crdt.rules.verdicts import Verdict
from tests.vectors.make_credentials import PATH, make_vectors

PUBLISHED: dict[str, dict[str, Any]] = json.loads(PATH.read_text("utf-8"))


def test_the_code_still_makes_the_published_vectors() -> None:
    assert make_vectors() == PUBLISHED


def test_twenty_are_refused_and_twenty_are_not() -> None:
    hits = [hit["verdict"] for hit in PUBLISHED["hits"].values()]
    misses = [miss["verdict"] for miss in PUBLISHED["misses"].values()]
    assert hits == [Verdict.CREDENTIAL_FOUND] * 20
    assert misses == [Verdict.APPLIED] * 20
