"""Kernel of the one-parameter models: posterior of b on a uniform grid for many trials; numbers and arrays only."""

from __future__ import annotations

import numpy as np

from .._jit import njit

__all__ = ["posterior_rows"]


@njit(cache=True)
def posterior_rows(n, y, part_level, part_weight, log_p, log_q, p, prior, grid, edges, means, out):  # type: ignore[no-untyped-def]
    """Posterior mean and variance of b, E[p] by level and integrals of the posterior, one row per trial.

    Parameters
    ----------
    n, y : int[trial, level]
        Patients with full weight (complete, or with a DLT), and DLTs among them.
    part_level : int[trial, part]
        Level index (0-based) of patients without a DLT and of weight below 1; -1 ends the list.
    part_weight : float[trial, part]
        Their weights: each multiplies the likelihood by 1 - w p.
    log_p, log_q, p : float[level, node]
        ln p, ln(1 - p) and p on the grid.
    prior : float[node]
        ln of the prior density times the quadrature weight.
    grid : float[node]
        Values of b.
    edges : float[k, node]
        Weights of further integrals of the posterior, such as its mass below a value of b.
    means : bool
        Whether E[p] is wanted.
    out : float[trial, 2 + level + k]
        Filled with E[b], var[b], E[p] by level (where wanted), the k integrals.
    """
    trials, levels = n.shape
    nodes = grid.size
    log_like = np.empty(nodes)
    for t in range(trials):
        for g in range(nodes):
            log_like[g] = prior[g]
        for d in range(levels):
            if n[t, d] > 0:
                hit, free = float(y[t, d]), float(n[t, d] - y[t, d])
                for g in range(nodes):
                    log_like[g] += hit * log_p[d, g] + free * log_q[d, g]
        highest = -np.inf
        for g in range(nodes):
            highest = max(highest, log_like[g])
        for g in range(nodes):
            log_like[g] = np.exp(log_like[g] - highest)
        for k in range(part_level.shape[1]):
            d = part_level[t, k]
            if d < 0:
                break
            w = part_weight[t, k]
            for g in range(nodes):
                log_like[g] *= 1.0 - w * p[d, g]
        mass, first = 0.0, 0.0
        for g in range(nodes):
            mass += log_like[g]
            first += log_like[g] * grid[g]
        mean = first / mass
        second = 0.0
        for g in range(nodes):
            second += log_like[g] * (grid[g] - mean) ** 2
        out[t, 0] = mean
        out[t, 1] = second / mass
        if means:
            for d in range(levels):
                total = 0.0
                for g in range(nodes):
                    total += log_like[g] * p[d, g]
                out[t, 2 + d] = total / mass
        for k in range(edges.shape[0]):
            total = 0.0
            for g in range(nodes):
                total += log_like[g] * edges[k, g]
            out[t, 2 + levels + k] = total / mass
