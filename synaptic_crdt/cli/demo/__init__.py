"""A whole market on this machine: real homes, real processes, real sync, and checks of them all."""
