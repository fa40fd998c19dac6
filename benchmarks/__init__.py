"""Figures of this machine beside their goals. Run with ``make bench``; never part of the tests."""
