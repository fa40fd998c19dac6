"""A peer-to-peer market for AI work: no server, no chain, no operator.

Importing this package loads nothing else, so that every command starts fast. The rooms are
`state` (what is true), `rules` (what may happen), `sync` (how entries travel), `exec` (how work is
done), `node` (the one place that wires them together) and `cli`; docs/architecture.md says how
they depend on each other.
"""

__version__ = "0.1.0"
