"""All targets, by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzzing.target import Target
from tests.fuzzing.targets.channel import CHANNEL_TARGETS
from tests.fuzzing.targets.files import FILE_TARGETS
from tests.fuzzing.targets.format import FORMAT_TARGETS
from tests.fuzzing.targets.home import HOME_TARGETS
from tests.fuzzing.targets.links import LINK_TARGETS
from tests.fuzzing.targets.states import STATE_TARGETS

_ALL: Final = (
    *FORMAT_TARGETS,
    *LINK_TARGETS,
    *CHANNEL_TARGETS,
    *FILE_TARGETS,
    *STATE_TARGETS,
    *HOME_TARGETS,
)
TARGETS: Final[Mapping[str, Target]] = {target.name: target for target in _ALL}
