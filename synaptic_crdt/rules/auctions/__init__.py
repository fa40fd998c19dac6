"""Auction kinds, each a small module behind one interface; ``table`` names them all."""
