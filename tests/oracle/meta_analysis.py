"""Slow, obvious twins of the synthesis: integrals by a fine trapezoid, sums in loops, brute-force maxima."""

import math

import numpy as np
from scipy import optimize, stats


def marginal(x, n, beta, tau):
    """Probability of x out of n with logit p = beta + tau u, u standard normal."""
    if tau == 0:
        return stats.binom.pmf(x, n, 1 / (1 + math.exp(-beta)))

    u = np.linspace(-15, 15, 3001)  # the trapezoid of a smooth bell: exact to rounding
    p = 1 / (1 + np.exp(-(beta + tau * u)))
    log_choose = math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1)
    return (
        math.exp(log_choose)
        * float(np.sum(p**x * (1 - p) ** (n - x) * np.exp(-u * u / 2)))
        * 0.01
        / math.sqrt(2 * math.pi)
    )


def glmm_loglik(events, totals, beta, tau):
    return sum(math.log(marginal(x, n, beta, tau)) for x, n in zip(events, totals, strict=True))


def glmm_fit(events, totals):
    """beta, tau of the highest likelihood, by Nelder and Mead."""
    found = optimize.minimize(
        lambda v: -glmm_loglik(events, totals, v[0], abs(v[1])), [0.5, 0.5], method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-13, "maxiter": 2000},
    )  # fmt: skip
    return found.x[0], abs(found.x[1])


def beta_binomial_loglik(events, totals, mean, rho):
    a, b = mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho
    return sum(stats.betabinom.logpmf(x, n, a, b) for x, n in zip(events, totals, strict=True))


def posterior(events, totals, scale, points=(161, 51)):
    """Posterior median of the proportion and 95 % limits, by a plain rectangle rule; prior Beta(1, 1), half-normal tau."""
    step = 10 / points[0]
    mus = [-5 + step * (i + 0.5) for i in range(points[0])]
    taus = [4 * scale * (j + 0.5) / points[1] for j in range(points[1])]
    mass = [0.0] * len(mus)
    nodes = [-6 + 12 * (m + 0.5) / 60 for m in range(60)]
    normal = [math.exp(-u * u / 2) for u in nodes]
    total = sum(normal)
    for i, mu in enumerate(mus):
        p0 = 1 / (1 + math.exp(-mu))
        for tau in taus:
            rates = [1 / (1 + math.exp(-(mu + tau * u))) for u in nodes]
            like = 1.0
            for x, n in zip(events, totals, strict=True):
                like *= sum(w * r**x * (1 - r) ** (n - x) for w, r in zip(normal, rates, strict=True)) / total
            mass[i] += like * p0 * (1 - p0) * math.exp(-0.5 * (tau / scale) ** 2)
    whole, run, found = sum(mass), 0.0, []
    for level in (0.025, 0.5, 0.975):
        run = 0.0
        for mu, m in zip(mus, mass, strict=True):
            if run + m >= level * whole:
                edge = mu - step / 2 + step * (level * whole - run) / m
                found.append(1 / (1 + math.exp(-edge)))
                break
            run += m
    return found


def dersimonian_laird(y, v):
    """tau2, mean, standard error, by the sums of the 1986 paper."""
    w = [1 / b for b in v]
    mean = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    c = sum(w) - sum(a * a for a in w) / sum(w)
    tau2 = max(0.0, (q - (len(y) - 1)) / c)
    w = [1 / (b + tau2) for b in v]
    return tau2, sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), 1 / math.sqrt(sum(w))


def restricted_loglik(y, v, tau2):
    w = [1 / (b + tau2) for b in v]
    mean = sum(a * b for a, b in zip(w, y, strict=True)) / sum(w)
    return -0.5 * (
        sum(math.log(b + tau2) for b in v)
        + math.log(sum(w))
        + sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    )


def area_under(times, events, horizon):
    """Restricted mean: the product-limit curve built patient by patient, its area, and Greenwood's variance of it."""
    order = sorted({t for t, e in zip(times, events, strict=True) if e})
    s, last, area, steps = 1.0, 0.0, 0.0, []
    for t in order:
        if t >= horizon:
            break
        n = sum(1 for u in times if u >= t)
        d = sum(1 for u, e in zip(times, events, strict=True) if e and u == t)
        area += s * (t - last)
        steps.append((t, n, d))
        s, last = s * (1 - d / n), t
    area += s * (horizon - last)
    variance = 0.0
    for t, n, d in steps:
        rest, height, before = 0.0, 1.0, 0.0
        for u, m, e in steps:
            if u > t:
                rest += height * (u - max(before, t))
            height, before = height * (1 - e / m), u
        rest += height * (horizon - max(before, t))
        if n > d:
            variance += rest**2 * d / (n * (n - d))
    return area, math.sqrt(variance)
