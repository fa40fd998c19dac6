"""What may happen: the contract, as pure functions from state and operation to verdict."""
