"""The question on whose admission a feed depends: asked of the node, which knows the rules."""

from collections.abc import Callable

from synaptic_crdt.state.codec import Value

# The issuer's device of a feed, by its device and first operation; None when it needs none.
# Raises ``Forged`` or ``MalformedInput`` when the certificate is bad.
IssuerFinder = Callable[[bytes, list[Value]], bytes | None]
