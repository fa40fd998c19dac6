"""How entries travel: session, admission and transports; interprets no market rule."""
