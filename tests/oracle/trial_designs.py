"""Slow, obvious twins of the trial designs: plain loops, adaptive quadrature, enumeration."""

import itertools
import math

import numpy as np
from scipy import integrate, special, stats


def crm_posterior(skeleton, target, levels, dlt, weights, prior_sd, model="empiric", intercept=3.0):
    """E[b], var[b], E[p_d], Pr(p_d > target) by adaptive quadrature of one patient after another."""

    def rate(b, d):
        if model == "empiric":
            return skeleton[d] ** math.exp(b)
        x = math.log(skeleton[d] / (1 - skeleton[d])) - intercept
        return float(special.expit(intercept + math.exp(b) * x))

    def density(b):
        value = math.exp(-0.5 * (b / prior_sd) ** 2)
        for level, event, w in zip(levels, dlt, weights, strict=True):
            p = rate(b, level - 1)
            value *= p if event else 1 - w * p
        return value

    reach = 9 * prior_sd

    def integral(f, low=-reach, high=reach):
        points = np.linspace(low, high, 13)
        return sum(integrate.quad(f, a, c, epsabs=0, epsrel=1e-11, limit=400)[0] for a, c in itertools.pairwise(points))

    mass = integral(density)
    mean = integral(lambda b: b * density(b)) / mass
    variance = integral(lambda b: (b - mean) ** 2 * density(b)) / mass
    rates, over = [], []
    for d, s in enumerate(skeleton):
        rates.append(integral(lambda b, d=d: rate(b, d) * density(b)) / mass)
        if model == "empiric":
            edge = math.log(math.log(target) / math.log(s))
        else:
            edge = math.log((math.log(target / (1 - target)) - intercept) / (math.log(s / (1 - s)) - intercept))
        over.append(integral(density, -reach, edge) / mass)  # the rate falls with b
    return mean, variance, rates, over


def two_parameter(doses, reference, n, y, mean, sd, rho, interval):
    """Pr(below, within, above) and E[p] at each dose, by a double Gauss-Legendre rule whose inner limits are the edges."""
    x, w = np.polynomial.legendre.leggauss(160)
    out = []
    for dose in doses:
        log_dose = math.log(dose / reference)
        shares, first, mass = np.zeros(3), 0.0, 0.0
        for u, wu in zip(x, w, strict=True):
            log_beta = mean[1] + 8 * sd[1] * u
            slope = math.exp(log_beta)
            limits = [math.log(c / (1 - c)) - slope * log_dose for c in interval]
            low, high = mean[0] - 8 * sd[0], mean[0] + 8 * sd[0]
            cuts = [low, *(min(max(e, low), high) for e in limits), high]
            for k in range(3):
                a, b = cuts[k], cuts[k + 1]
                log_alpha = 0.5 * (b - a) * x + 0.5 * (a + b)
                z1, z2 = (log_alpha - mean[0]) / sd[0], (log_beta - mean[1]) / sd[1]
                log_f = -(z1**2 - 2 * rho * z1 * z2 + z2**2) / (2 * (1 - rho**2))
                for d, (treated, events) in enumerate(zip(n, y, strict=True)):
                    eta = log_alpha + slope * math.log(doses[d] / reference)
                    log_f = log_f - events * np.logaddexp(0, -eta) - (treated - events) * np.logaddexp(0, eta)
                f = wu * 0.5 * (b - a) * w * np.exp(log_f)
                shares[k] += f.sum()
                mass += f.sum()
                first += float(f @ (1 / (1 + np.exp(-(log_alpha + slope * log_dose)))))
        out.append([*(shares / mass), first / mass])
    return np.array(out)


def pool_adjacent_violators(values, weights):
    """Weighted isotonic regression by merging neighbours until nothing falls."""
    blocks = [[v, w, 1] for v, w in zip(values, weights, strict=True)]
    i = 0
    while i < len(blocks) - 1:
        if blocks[i][0] > blocks[i + 1][0] + 1e-15:
            (a, wa, na), (b, wb, nb) = blocks[i], blocks.pop(i + 1)
            blocks[i] = [(a * wa + b * wb) / (wa + wb), wa + wb, na + nb]
            i = max(i - 1, 0)
        else:
            i += 1
    return [v for v, _, size in blocks for _ in range(size)]


def boin_mtd(n, y, target, eliminate_above=0.95):
    """MTD of a finished BOIN trial, level by level, elimination included."""
    usable = []
    for d in range(len(n)):
        if n[d] >= 3 and stats.beta.sf(target, 1 + y[d], 1 + n[d] - y[d]) > eliminate_above:
            break
        if n[d] > 0:
            usable.append(d)
    if not usable:
        return 0
    rates = [(y[d] + 0.05) / (n[d] + 0.1) for d in usable]
    variances = [stats.beta.var(y[d] + 0.05, n[d] - y[d] + 0.05) for d in usable]
    smooth = pool_adjacent_violators(rates, [1 / v for v in variances])
    distance = [abs(r + 1e-10 * (k + 1) - target) for k, r in enumerate(smooth)]
    return usable[distance.index(min(distance))] + 1


def strongest_key(n, y, target, below=0.05, above=0.05):
    """+1, 0, -1: where the strongest of equally wide keys lies, seen from the target key."""
    width, keys = below + above, []
    low = target - below
    while low - width > -1e-9:
        low -= width
    while low + width < 1 + 1e-9:
        keys.append((low, low + width))
        low += width
    mass = [stats.beta.cdf(b, 1 + y, 1 + n - y) - stats.beta.cdf(a, 1 + y, 1 + n - y) for a, b in keys]
    best = keys[mass.index(max(mass))]
    return int(np.sign(round((target - below - best[0]) / width)))


def two_stage(r1, n1, r, n, p):
    """Success, early stopping and expected patients of a two-stage design, summed outcome by outcome."""
    success = stop = 0.0
    for x1 in range(n1 + 1):
        p1 = math.comb(n1, x1) * p**x1 * (1 - p) ** (n1 - x1)
        if x1 <= r1:
            stop += p1
            continue
        for x2 in range(n - n1 + 1):
            if x1 + x2 > r:
                success += p1 * math.comb(n - n1, x2) * p**x2 * (1 - p) ** (n - n1 - x2)
    return success, stop, n1 + (1 - stop) * (n - n1)


def simon_search(p0, p1, alpha, beta, max_n):
    """Every two-stage design that holds both errors, by brute force: (n, n1, r1, r, EN0)."""
    found = []
    for n in range(2, max_n + 1):
        for n1 in range(1, n):
            for r1 in range(n1):
                for r in range(r1, n):
                    if two_stage(r1, n1, r, n, p0)[0] <= alpha:
                        if two_stage(r1, n1, r, n, p1)[0] >= 1 - beta:
                            found.append((n, n1, r1, r, two_stage(r1, n1, r, n, p0)[2]))
                        break
    return found


def joint_monitoring(looks, at_most, at_least, cells):
    """Success probability with stopping for few responses or many toxicities: every sequence of counts, look by look."""
    states = {(0, 0): 1.0}
    before = 0
    for n, low, high in zip(looks, at_most, at_least, strict=True):
        for _ in range(n - before):
            new = {}
            for (r, t), p in states.items():
                for i in (0, 1):
                    for j in (0, 1):
                        key = (r + i, t + j)
                        new[key] = new.get(key, 0.0) + p * cells[i][j]
            states = new
        states = {(r, t): p for (r, t), p in states.items() if r > low and t < high}
        before = n
    return sum(states.values())
