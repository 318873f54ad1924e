"""Published values, recomputed here and now: what a source says, what alphatwin gives, how far apart they may lie.

The published values are in the catalogue (``validation/*.yaml``), each as its source prints it, with unit, place,
tolerance and the reason for that tolerance. Closed forms and conservation laws are worked out by another route.
"""

from __future__ import annotations

from ..errors import CatalogError, suggestion
from . import _closed_forms, _published
from ._cohort import compare_cohort
from ._rows import GROUPS, Row
from ._text import as_text, report_text

__all__ = ["GROUPS", "Row", "as_text", "compare_cohort", "report_text", "validate"]


def validate(select: str | None = None) -> tuple[Row, ...]:
    """Compare with published values and closed forms again.

    Parameters
    ----------
    select : str, optional
        A group (see ``GROUPS``), or part of a quantity such as ``"Lu-177"``; everything by default. Only what is
        selected is computed.

    Returns
    -------
    tuple of Row
        By group, in the order of ``GROUPS``.

    Raises
    ------
    CatalogError
        Nothing is called so, or an entry of the catalogue breaks its rules.

    Examples
    --------
    >>> rows = validate("alpha 5 MeV")
    >>> rows[0].quantity, rows[0].printed, rows[0].passed
    ('ASTAR alpha 5 MeV: S', '885.47', True)
    """
    asked = None if select is None else select.strip().casefold()
    if asked in GROUPS:
        chosen = _planned(str(asked))
    else:
        chosen = [p for group in GROUPS for p in _planned(group) if asked is None or asked in p.quantity.casefold()]
    if not chosen:
        raise CatalogError(
            f"No validation group or quantity holds {select!r}. {suggestion(str(select), GROUPS)}"
            f"Groups: {', '.join(GROUPS)}."
        )
    return tuple(p.row() for p in chosen)


def _planned(group: str) -> list[_published.Planned | _closed_forms.ClosedForm]:
    return [*_published.planned(group), *_closed_forms.planned(group)]
