"""Where the members of a chain decay, and the tree of events that follows from it: machinery behind `hits`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import DomainError, suggestion
from ..physics.nuclides import nuclide as nuclide_of
from . import _tracks
from ._given import number

__all__ = [
    "PLACES",
    "Branch",
    "Tree",
    "Where",
    "branches_of",
    "chain_tree",
    "decays_of",
    "is_alpha_daughter",
    "places_of",
    "with_start",
]

Where = str | Mapping[str, float]

PLACES = (*_tracks.SOURCES, "lost")


@dataclass(frozen=True)
class Branch:
    """One way a nuclide in a place goes on: chance, component of the alpha emitted (-1: none), and what comes next.

    `alpha_chance` is that of all branches that emit an alpha: per decay / `alpha_chance` is per alpha branch.
    """

    chance: float
    component: int
    alpha_chance: float
    next: tuple[tuple[float, int], ...]  # (chance, state); a share that is missing is lost or stable


def places_of(name: str, given: Where) -> dict[str, float]:
    """Shares of the places of one nuclide, checked; places with nothing in them left out.

    Raises
    ------
    DomainError
        An unknown place, a share that is none, shares that do not sum to 1.
    """
    if not isinstance(given, str | Mapping):
        raise DomainError(
            f"The places of {name} are given as {given!r}; give a place, or shares such as "
            '{"surface": 0.6, "lost": 0.4}.'
        )
    shares = {given: 1.0} if isinstance(given, str) else {str(k): v for k, v in given.items()}
    fractions = {place: number(share) for place, share in shares.items()}
    for place, fraction in fractions.items():
        if place not in PLACES:
            hint = suggestion(place, PLACES)
            raise DomainError(f"No place {place!r} for {name}; there is {', '.join(PLACES)}. {hint}".rstrip())
        if not 0 <= fraction <= 1:
            raise DomainError(
                f"The share of {name} in place {place!r} is {shares[place]!r}; shares lie between 0 and 1."
            )
    if abs(sum(fractions.values()) - 1) > 1e-9:
        raise DomainError(
            f"The places of {name} sum to {sum(fractions.values()):g}; they must sum to 1. What leaves is 'lost'."
        )
    return {p: f for p, f in fractions.items() if f > 0}


@dataclass
class Tree:
    """States (nuclide, place) of a chain, decays of each per decay of the parent, and how they follow one another."""

    states: list[tuple[str, str]]
    decays: list[float]
    followers: list[list[tuple[str, float, list[tuple[float, int]]]]]  # by state: (daughter, chance, [(chance, state)])


def chain_tree(parent: str, chain: bool, source: str, places: Mapping[str, dict[str, float]]) -> Tree:
    """Follow one atom of the parent down its chain: an unlisted daughter stays where it was born, 'lost' is for good."""
    names = nuclide_of(parent).chain if chain else (parent,)
    start = places.get(parent, {source: 1.0})
    index: dict[tuple[str, str], int] = {}
    states: list[tuple[str, str]] = []
    decays: list[float] = []

    def arrive(name: str, place: str, number: float) -> int:
        if (name, place) not in index:
            index[name, place] = len(states)
            states.append((name, place))
            decays.append(0.0)
        decays[index[name, place]] += number
        return index[name, place]

    for place, fraction in start.items():
        if place != "lost":
            arrive(parent, place, fraction)
    followers: dict[tuple[str, str], list[tuple[str, float, list[tuple[float, int]]]]] = {}
    for name in names:  # parents come before their daughters
        for place in PLACES[:-1]:
            if (name, place) not in index:
                continue
            here = decays[index[name, place]]
            ways = []
            for daughter, chance in nuclide_of(name).progeny.items():
                onward = []
                if daughter in names:
                    for where, fraction in places.get(daughter, {place: 1.0}).items():
                        if where != "lost":
                            onward.append((fraction, arrive(daughter, where, here * chance * fraction)))
                ways.append((daughter, chance, onward))
            followers[name, place] = ways
    return _in_order_of(names, Tree(states, decays, [followers[s] for s in states]))


def _in_order_of(names: Sequence[str], tree: Tree) -> Tree:
    """The same tree with its states in the order of the chain: where ways part and meet again, they came in by either."""
    old = sorted(range(len(tree.states)), key=lambda i: names.index(tree.states[i][0]))
    new = {i: at for at, i in enumerate(old)}
    ways = [
        [(daughter, chance, [(f, new[i]) for f, i in onward]) for daughter, chance, onward in tree.followers[i]]
        for i in old
    ]
    return Tree([tree.states[i] for i in old], [tree.decays[i] for i in old], ways)


def is_alpha_daughter(parent: str, daughter: str) -> bool:
    """Whether four mass numbers are lost on the way.

    Examples
    --------
    >>> is_alpha_daughter("Bi-212", "Tl-208"), is_alpha_daughter("Bi-212", "Po-212")
    (True, False)
    """
    mass = [int("".join(c for c in n.split("-")[1] if c.isdigit())) for n in (parent, daughter)]
    return mass[0] - mass[1] == 4


def branches_of(tree: Tree, numbered: Mapping[tuple[str, str], int]) -> tuple[tuple[Branch, ...], ...]:
    """The tree as states of branches, for events of one atom; daughters always have a higher index than their parents."""
    found = []
    for (name, place), ways in zip(tree.states, tree.followers, strict=True):
        alpha = [d for d, _, _ in ways if is_alpha_daughter(name, d)]
        total = sum(chance for d, chance, _ in ways if d in alpha)
        component = numbered.get((name, place), -1)
        found.append(tuple(Branch(p, component if d in alpha else -1, total, tuple(onward)) for d, p, onward in ways))
    return tuple(found)


def decays_of(tree: Tree, parent: str, decays: float | Mapping[str, float]) -> tuple[float, list[float]]:
    """Decays of the parent, and of each state."""
    if not isinstance(decays, Mapping):
        total = number(decays)
        if not 0 < total < math.inf:
            raise DomainError(f"decays given as {decays!r}; give a number above 0, or one for each nuclide.")
        return total, [total * d for d in tree.decays]
    given = {}
    members = {name for name, _ in tree.states}
    for key, value in decays.items():
        name = nuclide_of(key).name
        if name in given:
            raise DomainError(f"The decays of {name} are given twice.")
        given[name] = number(value)
        if not 0 <= given[name] < math.inf:
            raise DomainError(f"The decays of {name} are given as {value!r}; give a number, 0 or more.")
        if name not in members:
            raise DomainError(f"Decays are given for {name}, of which none stays in the chain of {parent}.")
    if not given.get(parent, 0.0) > 0:
        raise DomainError(f"Decays are given by nuclide, but none of the parent, {parent}.")
    # shares of the places of what is left; decays given by nuclide are those that stay
    totals = {name: sum(d for (n, _), d in zip(tree.states, tree.decays, strict=True) if n == name) for name in members}
    scale = [given.get(name, 0.0) / totals[name] for name, _ in tree.states]
    return given[parent], [d * s for d, s in zip(tree.decays, scale, strict=True)]


def with_start(
    states: tuple[tuple[Branch, ...], ...], ways: tuple[tuple[float, int], ...]
) -> tuple[tuple[Branch, ...], ...]:
    """Put a state in front from which the atom goes to its places; all indices move by one."""
    moved = tuple(
        tuple(Branch(b.chance, b.component, b.alpha_chance, tuple((p, i + 1) for p, i in b.next)) for b in branches)
        for branches in states
    )
    return ((Branch(1.0, -1, 1.0, tuple((p, i + 1) for p, i in ways)),), *moved)
