"""The life of a seat: every state, what may happen in it, and what follows. See ``table``."""
