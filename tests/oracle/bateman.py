"""Slow twin of the chain solver: Bateman's formula path by path, in 120 digits, as in the textbook.

The activity of the last member of a path 1 -> 2 -> ... -> m is, from N_1 atoms of the first,

    A_m(t) = N_1 l_m (prod b_k l_k, k < m) sum_j exp(-l_j t) / prod over k != j of (l_k - l_j)

(H. Bateman, Proc. Camb. Philos. Soc. 15 (1910) 423). Paths through the branches add up. Needs distinct half-lives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import mpmath

DIGITS = 120


def paths(branching: Sequence[Sequence[float]], first: int, last: int) -> Iterator[list[int]]:
    """Every way from one member to another; branching[daughter][parent]."""
    if first == last:
        yield [last]
        return
    for daughter in range(len(branching)):
        if branching[daughter][first]:
            for rest in paths(branching, daughter, last):
                yield [first, *rest]


def _sum_of_exponentials(rates, weight_of_rate):
    total = mpmath.mpf(0)
    for j, rate in enumerate(rates):
        product = mpmath.mpf(1)
        for k, other in enumerate(rates):
            if k != j:
                product *= other - rate
        total += weight_of_rate(rate) / product
    return total


def bateman(
    decay_constants: Sequence[float],
    branching: Sequence[Sequence[float]],
    start_activity: Mapping[int, float],
    time: float,
    *,
    integral: bool = False,
) -> list[mpmath.mpf]:
    """Activity of each member at a time, or its integral up to then, in the unit of `start_activity` (times time)."""
    with mpmath.workdps(DIGITS):
        rate = [mpmath.mpf(float(r)) for r in decay_constants]
        t = mpmath.mpf(float(time))

        def weight(r):
            return -mpmath.expm1(-r * t) / r if integral else mpmath.exp(-r * t)

        found = []
        for last in range(len(rate)):
            total = mpmath.mpf(0)
            for first, activity in start_activity.items():
                for path in paths(branching, first, last):
                    factor = mpmath.mpf(float(activity)) / rate[first] * rate[last]
                    for parent, daughter in itertools.pairwise(path):
                        factor *= mpmath.mpf(float(branching[daughter][parent])) * rate[parent]
                    total += factor * _sum_of_exponentials([rate[k] for k in path], weight)
            found.append(total)
        return found
