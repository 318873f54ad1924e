"""A room of the same name as its function: the module itself can be called."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

__all__ = ["callable_module"]


class _CallableModule(types.ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)

    def __reduce__(self) -> Any:  # sent to another process as the function of that name would be
        return importlib.import_module, (self.__name__,)


def callable_module(name: str) -> None:
    """Let the module of this name be called as its function of the same name.

    ``alphatwin.run`` is bound to the module by any import of it or of what is in it, so that a function there would hide
    ``alphatwin.run.maps``, or be hidden, by the order of imports.

    Examples
    --------
    >>> import alphatwin as at, alphatwin.run.maps
    >>> callable(at.run), at.run.maps.__name__
    (True, 'alphatwin.run.maps')
    """
    sys.modules[name].__class__ = _CallableModule
