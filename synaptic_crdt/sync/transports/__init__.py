"""Ways for entries to travel: each a small module that yields a stream or runs an exchange."""
