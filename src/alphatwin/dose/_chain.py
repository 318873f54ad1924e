"""Where the members of a decay chain decay: in a place of their cell, between the cells, or nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import DomainError, missing, suggestion
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ..transport._pairs import PLACES
from ._medium import MEDIUM

__all__ = ["OUTLIVES_H", "chain_places", "checked_places", "left_out", "place_notes"]

OUTLIVES_H = 24.0 * 365.25  # progeny with a longer half-life decays after the treatment


def left_out(parent: str) -> frozenset[str]:
    """Members that outlive a year, and those that only they feed: they decay after the treatment."""
    table = chain_table(parent)
    out: set[str] = set()
    for i, name in enumerate(table.names):
        if i == 0:
            continue
        mothers = [m for j, m in enumerate(table.names[:i]) if table.branching[i, j] > 0]
        if nuclide_of(name).half_life_h > OUTLIVES_H or all(m in out for m in mothers):
            out.add(name)
    return frozenset(out)


def checked_places(what: str, places: str | Mapping[str, float]) -> dict[str, float]:
    """Shares by place, checked; one place alone takes all."""
    known = (*PLACES, MEDIUM)
    try:
        shares = {places: 1.0} if isinstance(places, str) else {str(k): float(v) for k, v in places.items()}
    except (TypeError, ValueError) as error:
        raise DomainError(
            f"{what}: places are given as {places!r}; write a name, or shares such as {{'surface': 0.6}}."
        ) from error
    for place, share in shares.items():
        if place not in known:
            raise DomainError(
                f"{what}: no place {place!r} in a cell. {suggestion(place, known)}Places: {', '.join(known)}."
            )
        if not 0 <= share <= 1:
            raise DomainError(f"{what}: {share!r} of the decays in the {place}; a share lies between 0 and 1.")
    if math.fsum(shares.values()) > 1 + 1e-9:
        raise DomainError(f"{what}: the shares by place sum to {math.fsum(shares.values()):g}, more than 1.")
    return shares


def chain_places(
    nuclide: str, parent: Mapping[str, float], daughters: Mapping[str, str | Mapping[str, float]]
) -> tuple[Mapping[str, float], Mapping[str, Mapping[str, float]], Mapping[str, Mapping[str, float]]]:
    """Decays and places of every member, and the places that were given.

    A daughter that is not named stays where its own parents decay, or is left out when it outlives the treatment. Shares
    are of the atoms that are born in a cell or between cells: what is lost is lost with its progeny.
    """
    table = chain_table(nuclide)
    known = {nuclide_of(name).name: checked_places(name, shares) for name, shares in daughters.items()}
    if len(known) < len(daughters):
        raise DomainError(
            f"A daughter is given places twice, in two spellings, among {', '.join(map(str, daughters))}."
        )
    for name in known:
        if name not in table.names[1:]:
            raise missing(f"daughter of {nuclide}", name, table.names[1:])
    late = {n for n in table.names[1:] if n not in known and nuclide_of(n).half_life_h > OUTLIVES_H}
    fed = {table.names[0]}  # by members that decay in time
    for i, name in enumerate(table.names[1:], start=1):
        if any(table.branching[i, j] > 0 and m in fed and m not in late for j, m in enumerate(table.names[:i])):
            fed.add(name)
        elif name in known:
            raise DomainError(
                f"{name} is given a place, but comes only after {' and '.join(sorted(late))}, left out because it outlives "
                f"a year. Give that a place too."
            )
    per_parent = {name: nuclide_of(nuclide).branching_to(name) for name in table.names}
    places: dict[str, Mapping[str, float]] = {}
    for i, name in enumerate(table.names):
        if name == nuclide:
            places[name] = MappingProxyType(dict(parent))
            continue
        born, total = dict.fromkeys((*PLACES, MEDIUM), 0.0), 0.0
        for j, mother in enumerate(table.names[:i]):
            flow = per_parent[mother] * table.branching[i, j]
            total += flow
            for place, share in places[mother].items():
                born[place] += flow * share
        born = {p: s / total for p, s in born.items() if s > 0} if total else {}
        if name in known:
            here = min(1.0, math.fsum(born.values()))
            places[name] = MappingProxyType({p: s * here for p, s in known[name].items()})
        else:
            places[name] = MappingProxyType({} if name in late else born)
    own = {name: MappingProxyType(shares) for name, shares in known.items()}
    return MappingProxyType(per_parent), MappingProxyType(places), MappingProxyType(own)


def place_notes(
    parent: str, places: Mapping[str, Mapping[str, float]], own: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Where the chain decays, in words."""
    late = [n for n in places if n in left_out(parent) and not places[n]]
    lost = [
        f"{n} {1 - math.fsum(p.values()):.0%}"
        for n, p in places.items()
        if math.fsum(p.values()) < 1 - 1e-9 and n not in late
    ]
    told = []
    if lost:
        told.append(f"Lost from the cells without dose: {', '.join(lost)}.")
    elif own:
        told.append("Daughters have places of their own; none is lost.")
    else:
        told.append("Every daughter decays where its parent did.")
    if late:
        told.append(f"Left out, for it outlives a year: {', '.join(late)}.")
    free = [f"{n} {p[MEDIUM]:.0%}" for n, p in places.items() if p.get(MEDIUM, 0.0) > 0]
    if free:
        told.append(f"Uniform in the water between the cells of the ball: {', '.join(free)}.")
    return told
