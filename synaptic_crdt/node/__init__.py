"""The one place that wires the rooms together: a home, its store, its keys, its market."""
