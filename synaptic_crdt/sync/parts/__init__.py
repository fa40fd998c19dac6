"""The sub-protocols of a session, one module each; ``part.py`` says how a new one joins."""
