"""Slow, obvious twins of the kinetics room: quadrature for curves, a stiff ODE solver for daughters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.integrate import quad, solve_ivp


def time_integral(activity, *, split_h: float) -> float:
    """Integral of a callable curve from 0 to infinity by adaptive quadrature, in two pieces."""
    head = quad(activity, 0, split_h, epsabs=0, epsrel=1e-10, limit=400)[0]
    tail = quad(activity, split_h, np.inf, epsabs=0, epsrel=1e-10, limit=400)[0]
    return head + tail


def bateman_in_place(names, constants, branching, amplitude, rate, times_h):
    """Daughters that stay, by a stiff ODE solver in atoms; the parent's activity is given. Returns [nuclide, time]."""
    return free_daughters(
        names,
        constants,
        branching,
        {"r": (amplitude, rate)},
        times_h,
        retained=lambda p, q, r: 1.0,
        plasma={},
        uptake={},
        retention={},
    )["r"]


def free_daughters(
    names,
    constants,
    branching,
    parents: Mapping[str, tuple[np.ndarray, np.ndarray]],
    times_h,
    *,
    retained,
    plasma: Mapping[str, float],
    uptake: Mapping[str, Mapping[str, float]],
    retention: Mapping[str, Mapping[str, float]],
    local=lambda name: False,
):
    """One sample, written as one says it: atoms in pools, births and moves, integrated by Radau.

    `retained(parent, daughter, region)`; half-times in h by element. Returns activities {region: [nuclide, time]},
    ``"excreted"`` among them; plasma is ``"blood"``.
    """
    organs = sorted({o for table in uptake.values() for o in table})
    pools = (
        [("kept", r) for r in parents] + [("plasma", "blood")] + [("free", o) for o in organs] + [("out", "excreted")]
    )
    index = {(pool, q): i for i, (pool, q) in enumerate((p, q) for q in range(1, len(names)) for p in pools)}
    size = len(index)

    # everything but the parent is linear: dN/dt = M N + sum over regions of (column of births) x A_parent(t)
    matrix, births = np.zeros((size, size)), {r: np.zeros(size) for r in parents}

    def born(q, p, pool, region):
        """Pools that a daughter q of one decay of p in this pool enters, with probabilities."""
        if pool == "out":
            return {("out", "excreted"): 1.0}
        if local(names[q]) or pool == "plasma":
            return {(pool, region): 1.0}
        keep = retained(names[p], names[q], region)
        return {(pool, region): keep, ("plasma", "blood"): 1.0 - keep}

    for q in range(1, len(names)):
        symbol = names[q].split("-")[0]
        for pool, region in pools:
            i = index[(pool, region), q]
            matrix[i, i] -= constants[q]
            if local(names[q]):
                continue
            if pool == "plasma" and symbol in plasma:
                k = np.log(2) / plasma[symbol]
                matrix[i, i] -= k
                for organ, fraction in uptake[symbol].items():
                    matrix[index[("free", organ), q], i] += k * fraction
                matrix[index[("out", "excreted"), q], i] += k * (1 - sum(uptake[symbol].values()))
            if pool == "free" and region in retention.get(symbol, {}):
                k = np.log(2) / retention[symbol][region]
                matrix[i, i] -= k
                matrix[index[("out", "excreted"), q], i] += k
        for p in range(q):
            if branching[q, p] <= 0:
                continue
            if p == 0:
                for region in parents:
                    for where, share in born(q, p, "kept", region).items():
                        births[region][index[where, q]] += branching[q, p] * share
            else:
                for pool, region in pools:
                    for where, share in born(q, p, pool, region).items():
                        matrix[index[where, q], index[(pool, region), p]] += branching[q, p] * share * constants[p]

    def slope(t, n):
        return matrix @ n + sum(births[r] * float(np.sum(a * np.exp(-k * t))) for r, (a, k) in parents.items())

    solved = solve_ivp(
        slope,
        (0, max(times_h)),
        np.zeros(size),
        method="Radau",
        jac=lambda t, n: matrix,
        t_eval=times_h,
        rtol=1e-9,
        atol=1e-13,
    )
    assert solved.success
    result = {r: np.zeros((len(names), len(times_h))) for r in {*parents, *organs, "blood", "excreted"}}
    for ((_, region), q), i in index.items():
        result[region][q] += constants[q] * solved.y[i]
    for region, (a, k) in parents.items():
        result[region][0] += np.exp(-np.multiply.outer(times_h, k)) @ a
    return result
