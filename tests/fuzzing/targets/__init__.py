"""All targets, by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzzing.target import Target
from tests.fuzzing.targets.files import FILE_TARGETS
from tests.fuzzing.targets.format import FORMAT_TARGETS
from tests.fuzzing.targets.home import HOME_TARGETS
from tests.fuzzing.targets.links import LINK_TARGETS

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target for target in (*FORMAT_TARGETS, *LINK_TARGETS, *FILE_TARGETS, *HOME_TARGETS)
}
