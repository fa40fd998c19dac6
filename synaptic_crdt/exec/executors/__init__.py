"""What does the work: one module an executor, behind the interface in ``base``."""
