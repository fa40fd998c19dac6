"""The terms that a provider opts in to; a market's genesis holds the hash of the text.

The text is a default: a founder may give another. The contract compares hashes, never texts.
"""

from typing import Final

from synaptic_crdt.state.hashes import compute_hash

DEFAULT_TERMS: Final = """\
You offer work on your own machine, with your own accounts and credentials. They never leave it.
You stay responsible for using them within the terms you agreed with their provider.
You accept a task only if you may do that work, and you deliver only what you are free to give.
Titles, kinds, prices, sizes and times are public; so are public payloads and their results.
Payments are made in the market's own token by the published rules; defaults apply to silence.
You may opt out at any time: it stops the next acceptance at once; running work may be finished.
"""


def compute_terms_hash(text: str) -> bytes:
    """Return the 32-byte hash under which ``text`` is accepted."""
    return compute_hash("terms", text.encode())


DEFAULT_TERMS_HASH: Final = compute_terms_hash(DEFAULT_TERMS)
