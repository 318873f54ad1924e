"""Which assumption moves a pooled answer: confidence, assessor, denominator, overlap, earlier therapy, reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .selection import Filter, Selection, chosen

if TYPE_CHECKING:
    from .sensitivity import Moves

__all__ = ["Answer", "alternatives", "moves"]


@dataclass(frozen=True, eq=False)
class Answer:
    """A pooled answer with what it rests on.

    Attributes
    ----------
    selection : Selection
        The rows that were pooled, without common patients unless that was forced.
    moves : Moves
        The pooled value (``moves.base``) and every other choice, the largest shift first.
    silent : tuple of str
        Choices that leave the rows as they are.
    empty : tuple of str
        Choices that leave no row.
    """

    selection: Selection
    moves: Moves
    silent: tuple[str, ...]
    empty: tuple[str, ...]


def alternatives(selection: Selection, keep: str = "largest") -> dict[str, Selection]:
    """The same question under every other assumption, by name.

    Parameters
    ----------
    selection : Selection
        As asked.
    keep : {"largest", "latest", "closest"}
        Which of overlapping rows stays.

    Examples
    --------
    >>> from alphatwin.evidence import evidence
    >>> other = alternatives(evidence().select("response", agent="Ac-225"))
    >>> [len(other[name]) for name in ("abstract or closer", "full text only")]
    [2, 0]
    """
    asked = selection.asked
    changes: dict[str, Filter] = {
        "everything read": replace(asked, confidence="seed"),
        "abstract or closer": replace(asked, confidence="abstract"),
        "full text only": replace(asked, confidence="full_text"),
        "investigator's reading": replace(asked, prefer="investigator", assessor=None),
        "central reading": replace(asked, prefer="central", assessor=None),
        "no reconstructed counts": replace(asked, reconstructed=False),
        "over all treated": replace(asked, denominator="treated"),
        "over the evaluable": replace(asked, denominator="evaluable"),
    }
    if asked.prior is not None:
        changes[f"all patients {asked.prior}"] = replace(asked, prior_share=1.0)
        changes["any earlier therapy"] = replace(asked, prior=None)
    made = {name: chosen(selection.store, f).without_overlap(keep) for name, f in changes.items() if f != asked}
    plain = chosen(selection.store, asked)
    for rule in ("largest", "latest", "closest"):
        made[f"overlap: the {rule}"] = plain.without_overlap(rule)
    made["overlap: all rows, patients twice"] = plain
    return made


def moves(selection: Selection, keep: str = "largest", force: bool = False, **options: Any) -> Answer:
    """Pool a selection, and again under every other assumption and method.

    Parameters
    ----------
    selection : Selection
        From `Evidence.select`.
    keep : {"largest", "latest", "closest"}
        Which of several rows with common patients stays.
    force : bool
        Pool them all, and grades of different CTCAE versions, all the same.
    **options
        As in `alphatwin.pool`.

    Returns
    -------
    Answer

    Raises
    ------
    DomainError
        No row answers the question; the message says why each was left out.
    MixedGrades
        Toxicity graded with different versions of CTCAE.

    Examples
    --------
    >>> from alphatwin.evidence import evidence
    >>> found = moves(evidence().select("response", agent="alpha"))
    >>> found.moves.base.k, found.empty
    (9, ('full text only',))
    """
    ready = selection if force else selection.without_overlap(keep)
    ready = ready.checked(force)
    if len(ready) == 1 and "method" not in options:
        options["method"] = "exact"
    mine = _key(ready)
    rows: dict[str, tuple[list[int], list[int], list[str]]] = {}
    silent: list[str] = []
    empty: list[str] = []
    for name, other in alternatives(selection, keep).items():
        if not other.rows:
            empty.append(name)
        elif _key(other) == mine:
            silent.append(name)
        else:
            rows[name] = (other.events, other.totals, _distinct(other.labels))
    if len(ready) == 1:
        found = _one_row(ready, rows, options)
    else:
        from .sensitivity import what_moves

        found = what_moves(
            ready.events, ready.totals, labels=_distinct(ready.labels), rows=ready.links, alternatives=rows, **options
        )
    return Answer(ready, found, tuple(silent), tuple(empty))


def _one_row(
    selection: Selection, rows: dict[str, tuple[list[int], list[int], list[str]]], options: dict[str, Any]
) -> Moves:
    """A single row: its own interval, and what more rows would give."""
    from .pool import pool
    from .sensitivity import Moves, Variation

    base = pool(selection.events, selection.totals, labels=selection.labels, rows=selection.links, **options)
    made = []
    for name, (events, totals, labels) in rows.items():
        other = pool(events, totals, labels=labels, **(options if len(events) == 1 else {**options, "method": None}))
        made.append(Variation(name, "rows", other, other.estimate - base.estimate))
    return Moves(base, tuple(sorted(made, key=lambda v: -abs(v.shift))))


def _key(selection: Selection) -> tuple[Any, ...]:
    return tuple((r.cohort, r.events, r.total) for r in selection.rows)


def _distinct(labels: list[str]) -> list[str]:
    """Labels made different where a cohort stands twice on purpose."""
    seen: dict[str, int] = {}
    made = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        made.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return made
