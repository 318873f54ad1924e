"""Slow twins of the outcome models: every equation as it is written down, by scipy's solve_ivp, event by event.

Nothing is in closed form here: the open damage of repair, the cumulated dose and the drug in plasma and kidney are
states, volumes are volumes and not logarithms, and the dose rate sums over all cycles given so far.
"""

import itertools

import numpy as np
from scipy.integrate import solve_ivp

LN2 = np.log(2.0)
TIGHT = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-13}


def dose_rate(t, cycles, terms):
    """Gy/d at day t: cycles are (day, relative activity), terms (Gy/d, 1/d)."""
    return sum(s * a * np.exp(-r * (t - day)) for day, s in cycles if t >= day for a, r in terms)


def piecewise(slope, y0, times, breaks, change=None):
    """States [time, state], stopping at every break; change(day, y) may alter the state there."""
    out, y, j = np.empty((len(times), len(y0))), np.array(y0, float), 0
    marks = sorted({0.0, *(b for b in breaks if b < times[-1]), float(times[-1])})
    for begin, end in itertools.pairwise(marks):
        if change is not None:
            y = change(begin, y)
        inside = [x for x in times[j:] if x <= end]
        # The dose rate has a jump at `begin`, which belongs to this interval: evaluate just behind it.
        done = solve_ivp(
            lambda u, z, b=begin: slope(max(u, b), z), (begin, end), y, t_eval=sorted({*inside, end}), **TIGHT
        )
        out[j : j + len(inside)] = done.y.T[: len(inside)]
        y, j = done.y[:, -1], j + len(inside)
    return out


def tumour(times, cycles, low, high, *, volume, alpha, alpha_beta, repair_h, rbe, r_beta, growth, law, capacity, clearance_d,
           cold=0.0, redrawn=False):  # fmt: skip
    """Viable and total volume [time, 2] in mL."""
    mu, beta = LN2 / repair_h * 24.0, alpha / alpha_beta
    per_day = np.log1p(growth / 100.0) / 30.4375
    k_g = per_day / np.log(capacity / volume) if law == "gompertz" else per_day

    def slope(t, y):
        hot, frozen, dying, x_hot, x_frozen = y
        r_low, r_high = dose_rate(t, cycles, low), dose_rate(t, cycles, high) / (1.0 - cold)
        rq = r_low + r_beta * r_high
        kill_hot = alpha * r_low + alpha * rbe * r_high + 2.0 * beta * rq * x_hot
        kill_frozen = alpha * r_low + 2.0 * beta * r_low * x_frozen
        total = hot + frozen
        g = k_g * np.log(capacity / total) if law == "gompertz" else k_g
        return [
            g * hot - kill_hot * hot,
            g * frozen - kill_frozen * frozen,
            kill_hot * hot + kill_frozen * frozen - LN2 / clearance_d * dying,
            rq - mu * x_hot,
            r_low - mu * x_frozen,
        ]

    def change(t, y):
        if redrawn and any(day == t for day, _ in cycles):
            total = y[0] + y[1]
            y = np.array([total * (1.0 - cold), total * cold, *y[2:]])
        return y

    start = [volume * (1.0 - cold), volume * cold, 0.0, 0.0, 0.0]
    y = piecewise(slope, start, times, [day for day, _ in cycles], change)
    return np.stack([y[:, 0] + y[:, 1], y[:, 0] + y[:, 1] + y[:, 2]], axis=1)


def kidney(times, cycles, low, high, *, egfr, alpha_beta, repair_h, rbe, r_beta, loss, reference, power, delay_d, h, overload,
           ageing, drug=None, drug_doses=()):  # fmt: skip
    """BED received, delayed BED, nephrons and eGFR [time, 4]; drug: plasma half-times and shares, kidney half-time, effect."""
    mu = LN2 / repair_h * 24.0
    year = 365.25
    k_age = ageing / egfr / (1.0 - h) / year
    k_ref = -np.log(1.0 - loss / 100.0) / (1.0 - h) / year
    if drug is not None:
        fall = LN2 / np.asarray(drug["plasma_h"]) * 24.0
        breakdown = LN2 / drug["kidney_h"] * 24.0
        grid = np.linspace(0.0, 40.0 / 24.0, 200_001)
        one = solve_ivp(
            lambda t, z: [-fall[0] * z[0], -fall[1] * z[1], z[0] + z[1] - breakdown * z[2]],
            (0.0, grid[-1]), [*drug["shares"], 0.0], t_eval=grid, **TIGHT,
        )  # fmt: skip
        peak = one.y[2].max()

    def slope(t, y):
        b0, b1, b2, b3, n, x, fast, slow, kidney_drug = y
        r_low, r_high = dose_rate(t, cycles, low), dose_rate(t, cycles, high)
        effect, f, plasma = 0.0, 0.0, [0.0, 0.0, 0.0]
        if drug is not None:
            level = max(kidney_drug, 0.0) / peak
            effect, f = drug["most"] * level / (drug["half"] + level), drug["high"]
            plasma = [-fall[0] * fast, -fall[1] * slow, fast + slow - breakdown * kidney_drug]
        rq = r_low + r_beta * r_high
        bed = (1.0 - effect) * r_low + (1.0 - f * effect) * rbe * r_high + 2.0 * rq * x / alpha_beta
        k = 3.0 / delay_d
        damage = k_ref * (max(b3, 0.0) / reference) ** power
        worn = overload / year * h * max(1.0 - n, 0.0)
        return [bed, k * (b0 - b1), k * (b1 - b2), k * (b2 - b3), -(k_age + damage + worn) * n, rq - mu * x, *plasma]

    def change(t, y):
        for day, amount in drug_doses:
            if day == t:
                y = y + np.array([0.0] * 6 + [amount * drug["shares"][0], amount * drug["shares"][1], 0.0])
        return y

    breaks = [day for day, _ in cycles] + [day for day, _ in drug_doses]
    y = piecewise(slope, [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], times, breaks, change)
    n = y[:, 4]
    return np.stack([y[:, 0], y[:, 3], n, egfr * n * (1.0 + h * (1.0 - n))], axis=1)


def blood(times, cycles, low, high, *, lines, rbe, stem_alpha, stem_half_d, d0, lymph_half_d, factor):
    """Each line, the stem pool and the lymphocytes [time, line + 2], over their baseline; lines: (MTT, gamma, alpha, residence, senses)."""

    def slope(t, y):
        r = dose_rate(t, cycles, low) + rbe * dose_rate(t, cycles, high)
        stem, lymph = y[-2:]
        out = []
        for i, (mtt, gamma, alpha, residence, senses) in enumerate(lines):
            p, a, b, c, count = y[5 * i : 5 * i + 5]
            k = 4.0 / mtt
            out += [k * p * (stem / (p if senses == "marrow" else count)) ** gamma - k * p - alpha * r * p, k * (p - a), k * (a - b), k * (b - c),
                    (k if residence is None else 1.0 / residence) * (c - count)]  # fmt: skip
        return [*out, LN2 / stem_half_d * (1.0 - stem) - stem_alpha * r * stem,
                LN2 / lymph_half_d * (1.0 - lymph) - factor / d0 * r * lymph]  # fmt: skip

    y = piecewise(slope, np.ones(5 * len(lines) + 2), times, [day for day, _ in cycles])
    return np.concatenate([y[:, 4:-2:5], y[:, -2:]], axis=1)
