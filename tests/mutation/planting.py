"""Put a mutant into a process that is about to run tests.

A function is changed where it is, so everybody who imported it has the mutant. What runs when a
module is loaded is changed by loading the module so: nothing of the package may be loaded yet.
"""

import importlib
import inspect
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from tests.mutation.mutants import Mutant, compile_mutant


def plant(mutant: Mutant) -> None:
    """Make this process, and no other, run the mutant."""
    module = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    code = compile_mutant(mutant.path, mutant.number)
    if mutant.scope:
        function = _find_function(importlib.import_module(module), mutant.scope)
        function.__code__ = _find_code(code, mutant.scope)
    else:
        if module in sys.modules:
            raise ValueError(f"{module} is loaded already, so its mutant would change nothing")
        sys.meta_path.insert(0, _Finder(module, code))


def _find_function(module: ModuleType, scope: str) -> Any:  # noqa: ANN401 - its code is replaced
    *owner, name = scope.split(".")
    found: Any = vars(getattr(module, owner[0]) if owner else module)[name]
    getter: Any = getattr(found, "fget", found)
    return inspect.unwrap(getter)


def _find_code(code: CodeType, scope: str) -> CodeType:
    for name in scope.split("."):
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
    return code


class _Finder(MetaPathFinder):
    """Finds one module, and gives it another code."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module = module
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Loader(fullname, spec.origin, self._code)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._mutant = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the loader's signature
        return self._mutant
