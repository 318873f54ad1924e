"""The errors a user can meet: one small tree, every message says what was given, what is allowed, what to do.

AlphatwinError
├── CaseError       a case file cannot be used as written (names the place in the file)
├── CatalogError    a name is not in the catalogue, or an entry breaks its rules
├── DomainError     a number lies outside the range where a model or a table holds
├── UnitError       a value has no unit, an unknown one, or one of another quantity
├── FitError        measured points cannot carry the model asked for
├── ImageError      an image, a contour or a label map that cannot be used as given
└── OutputError     a result could not be written or read back
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AlphatwinError",
    "CaseError",
    "CatalogError",
    "DomainError",
    "FitError",
    "ImageError",
    "OutputError",
    "UnitError",
    "missing",
    "suggestion",
]


LISTED = ("agent", "nuclide", "medium", "anatomy", "tissue", "element", "fate", "source")  # by `alphatwin list`


class AlphatwinError(Exception):
    """Base of every error that alphatwin raises on purpose; its message is meant for the user."""


class CaseError(AlphatwinError):
    """A case file cannot be used as written."""


class CatalogError(AlphatwinError, ValueError):
    """A name is not in the catalogue, or a catalogue entry breaks the catalogue's rules."""


class DomainError(AlphatwinError, ValueError):
    """A number lies outside the range where the model or table holds; nothing is extrapolated."""


class UnitError(AlphatwinError, ValueError):
    """A value has no unit, an unknown unit, or a unit of another quantity."""


class FitError(AlphatwinError, ValueError):
    """The measured points cannot carry the model that was asked for."""


class ImageError(AlphatwinError, ValueError):
    """An image, a contour or a label map that cannot be used as given."""


class OutputError(AlphatwinError, OSError):
    """A result could not be written, or a written result could not be read back."""


def suggestion(asked: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest valid spellings, or nothing when none is near.

    Examples
    --------
    >>> suggestion("kidnay", ["kidneys", "liver"])
    'Did you mean kidneys? '
    """
    names = [str(k) for k in known]
    folded = {n.casefold(): n for n in names}
    near = difflib.get_close_matches(asked.casefold(), folded, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(folded[n] for n in near)}? " if near else ""


def missing(kind: str, asked: str, known: Iterable[str]) -> CatalogError:
    """The error to raise when a name is unknown: of the catalogue, or of what is at hand.

    Examples
    --------
    >>> str(missing("region", "kidnay", ["kidneys", "liver"]))
    "There is no region 'kidnay' here. Did you mean kidneys? Known: kidneys, liver."
    >>> str(missing("nuclide", "Ac225", ["Ac-225", "Lu-177"]))
    "No nuclide 'Ac225' in the catalogue. Did you mean Ac-225? List them with `alphatwin list nuclide`."
    """
    if kind in LISTED:
        told = (
            f"No {kind} {asked!r} in the catalogue. {suggestion(asked, known)}List them with `alphatwin list {kind}`."
        )
        return CatalogError(told)
    names = [str(k) for k in known]
    listing = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return CatalogError(f"There is no {kind} {asked!r} here. {suggestion(asked, names)}Known: {listing or 'none'}.")
