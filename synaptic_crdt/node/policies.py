"""The local policy of a home, as the command line shows and changes it.

It is a file of its own, so neither the store nor its owner is needed; a running worker reads it
again by itself.
"""

from collections.abc import Mapping

import msgspec

from synaptic_crdt.errors import UsageError
from synaptic_crdt.exec.policy import Policy, load_policy, save_policy
from synaptic_crdt.node.home import Home
from synaptic_crdt.node.wire import Json


def read_policy(home: Home) -> Json:
    """Return the policy in force; the denying default when none was set."""
    home.check_complete()
    return msgspec.to_builtins(load_policy(home.policy_path))


def change_policy(home: Home, changes: Mapping[str, object]) -> Json:
    """Change the named keys, keep the others, and return the whole policy."""
    values = {**read_policy(home), **changes}
    try:
        policy = msgspec.convert(values, Policy)
    except msgspec.ValidationError as error:
        raise UsageError(f"policy: {error}") from error
    save_policy(home.policy_path, policy)
    return msgspec.to_builtins(policy)
