"""How work is done: policy, executors and the worker; plaintext and credentials stay here."""
