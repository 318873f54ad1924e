"""Slow, obvious twins: log-rank and Cox by loops over animals; and a small case that tests change."""

from __future__ import annotations

import math


def log_rank(times_a, events_a, times_b, events_b):
    """chi2 by the table of every event time, one animal at a time."""
    animals = [(t, e, 0) for t, e in zip(times_a, events_a, strict=True)]
    animals += [(t, e, 1) for t, e in zip(times_b, events_b, strict=True)]
    u = v = 0.0
    for when in sorted({t for t, e, _ in animals if e}):
        n = sum(t >= when for t, _, _ in animals)
        n_b = sum(t >= when and g == 1 for t, _, g in animals)
        d = sum(t == when and e for t, e, _ in animals)
        d_b = sum(t == when and e and g == 1 for t, e, g in animals)
        u += d_b - d * n_b / n
        if n > 1:
            v += d * (n_b / n) * (1 - n_b / n) * (n - d) / (n - 1)
    return u * u / v


def cox_log_likelihood(beta, times_a, events_a, times_b, events_b):
    """Efron's partial log likelihood of one binary covariate, written out."""
    animals = [(t, e, 0) for t, e in zip(times_a, events_a, strict=True)]
    animals += [(t, e, 1) for t, e in zip(times_b, events_b, strict=True)]
    total = 0.0
    for when in sorted({t for t, e, _ in animals if e}):
        risk = sum(math.exp(beta * g) for t, _, g in animals if t >= when)
        dying = [g for t, e, g in animals if t == when and e]
        tied = sum(math.exp(beta * g) for g in dying)
        total += beta * sum(dying)
        total -= sum(math.log(risk - j / len(dying) * tied) for j in range(len(dying)))
    return total


def spec(**more):
    """A small case of 212Pb in mice, as a mapping; `more` replaces parts of it."""
    base = {
        "animals": "x", "nuclide": "Pb-212", "tumour": {"line": "b16-f1", "mass": "50 mg"},
        "uptake": {"nuclide": "Pb-212", "decay_corrected": True, "times": ["1 h", "4 h", "12 h", "24 h"], "source": "invented",
                   "organs": {"tumour": {"percent_per_g": [10, 10, 10, 10], "sd": [1, 1, 1, 1], "n": 4},
                              "kidneys": {"percent_per_g": [8, 7, 5, 3], "sd": [1, 1, 1, 1], "n": 4}}},
        "endpoints": {"tumour_volume": "2000 mm^3", "follow_up": "60 d"},
        "arms": {"control": {"activity": "0 MBq"}, "treated": {"activity": "2 MBq"}},
        "study": {"pool": 40, "studies": 50},
    }  # fmt: skip
    return {**base, **more}
