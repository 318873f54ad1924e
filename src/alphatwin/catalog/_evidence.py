"""The evidence tables as text: the catalogue opens its own files, the evidence room reads what is in them."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["evidence_tables"]

_FOLDER = pathlib.Path(__file__).parent / "data" / "evidence"


@functools.cache
def evidence_tables() -> Mapping[str, str]:
    """The evidence tables that alphatwin ships: CSV text by name of the table.

    Returns
    -------
    Mapping of str to str

    Examples
    --------
    >>> evidence_tables()["agent"].splitlines()[0].startswith("id,name")
    True
    """
    return MappingProxyType({f.stem: f.read_text(encoding="utf-8") for f in sorted(_FOLDER.glob("*.csv"))})
