"""Parent, kept and free daughters in one system of equations: each site of each organ a state, nothing in closed form.

The parent is the whole-body model itself; 221Fr and 213Bi (213Bi born where 221Fr decays: 217At lives 32 ms) are
activities per amount of label. Slow, and without any of the algebra of `alphatwin.kinetics.daughters`.
"""

import math
from dataclasses import replace

import numpy as np

from alphatwin.kinetics._pbpk_model import declare
from alphatwin.kinetics.compiler import Rate, State, compiled

SITE = {
    "v": "plasma",
    "i": "interstitium",
    "b": "surface",
    "n": "internalised",
    "m": "internalised",
    "t": "interstitium",
}


def total(terms):
    """A sum whose brackets stay shallow."""
    half = len(terms) // 2
    return terms[0] if len(terms) == 1 else f"({total(terms[:half])} + {total(terms[half:])})"


def places(organs, lesions, p):
    """{(region, state-like name): (site, expression of the labelled amount)}"""
    found = {}
    for organ in ("kidneys", *organs, *lesions):
        for part in "vtbnm" if organ == "kidneys" else "vibn":
            found[organ, part] = (SITE[part], f"{organ}_{part}")
    marrow = "V_marrow / V_plasma * plasma"
    share = p["interstitium_per_plasma_red_marrow"]
    found["red_marrow", "v"] = ("plasma", f"{marrow} * {1 / (1 + share)!r}")
    found["red_marrow", "i"] = ("interstitium", f"{marrow} * {share / (1 + share)!r}")
    lungs = "plasma_share_lungs * V_p / V_plasma * plasma"
    inside = p["interstitium_per_plasma_lungs"]
    found["remainder", "l"] = ("interstitium", f"{lungs} * {inside!r}")
    vessels = "(plasma_share_vessels + plasma_share_lungs) * V_p / V_plasma * plasma"
    found["remainder", "v"] = ("plasma", f"{vessels} + rest_v")
    found["remainder", "i"] = ("interstitium", "rest_i")
    if "k_hold_rest_per_min" in p:
        found["remainder", "n"] = ("internalised", "rest_n")
    return found


def decays(model, overrides, keep, keep_free, free, constants, branching, horizon_min):
    """Time integrals {(nuclide, region): nmol min} of 221Fr and 213Bi per label; regions of places, blood, free ones.

    keep[nuclide][site], keep_free[region] (213Bi of free 221Fr); free = (plasma half-time, uptake, retention) by element;
    constants 1/h.
    """
    p = {name: q.value for name, q in model.parameters.items()} | overrides
    base = declare(model.parameters, list(model.lesions), integrals=False)
    lam = {q: float(c) / 60.0 for q, c in constants.items()}
    state, rate = {}, {}
    regions = {}

    def feed(name, *terms):
        rate.setdefault(name, []).extend(terms)

    def born(q, name, region, source):
        """A pool of q that is fed by an expression and decays."""
        feed(name, f"{lam[q]!r} * ({source} - {name})")
        regions.setdefault((q, region), []).append(name)

    where = places(("liver", "spleen"), list(model.lesions), p)
    into = {"Fr-221": [], "Bi-213": []}
    for (region, part), (site, expression) in where.items():
        f, b = f"F_{region}_{part}x", f"B_{region}_{part}x"
        parent = f"{branching['Fr-221']!r} * label * ({expression})"
        born("Fr-221", f, region, f"{keep['Fr-221'][site]!r} * {parent}")
        into["Fr-221"].append(f"{1 - keep['Fr-221'][site]!r} * {parent}")
        born("Bi-213", b, region, f"{keep['Bi-213'][site] * branching['Bi-213']!r} * {f}")
        into["Bi-213"].append(f"{(1 - keep['Bi-213'][site]) * branching['Bi-213']!r} * {f}")
    for q, symbol in (("Fr-221", "Fr"), ("Bi-213", "Bi")):
        half, uptake, retention = (table[symbol] for table in free)
        gone = math.log(2) / (float(half) * 60.0)
        blood = f"{symbol}_blood"
        for region in dict.fromkeys(
            [*uptake, *(free[1]["Fr"] if q == "Bi-213" else ())]
        ):  # or born there of free 221Fr
            share = uptake.get(region, 0.0)
            name = f"{symbol}_free_{region}"
            out = math.log(2) / (float(retention[region]) * 60.0) if region in retention else 0.0
            kept = keep_free[region] * branching["Bi-213"]
            source = f"{kept!r} * Fr_free_{region}" if q == "Bi-213" and f"Fr_free_{region}" in rate else "0"
            born(q, name, region, source)
            feed(name, f"{float(share) * gone!r} * {blood}", f"-{out!r} * {name}")
            if q == "Fr-221":
                into["Bi-213"].append(f"{(1 - keep_free[region]) * branching['Bi-213']!r} * {name}")
        if q == "Bi-213":
            into[q].append(f"{branching['Bi-213']!r} * Fr_blood")
        born(q, blood, "blood", total(into[q]))
        feed(blood, f"-{gone!r} * {blood}")
    integrals = {key: f"int_{key[0][:2]}_{key[1]}" for key in regions}
    state = [State("label", initial="1", kind="signal", unit="1")]
    state += [State(n, kind="signal", atol=1e-9) for n in rate]
    state += [State(n, kind="integral", atol=1e-5) for n in integrals.values()]
    rates = [
        Rate("label", "-lambda_per_min * label"),
        *(Rate(n, total([f"({x})" for x in t])) for n, t in rate.items()),
    ]
    rates += [Rate(integrals[key], total(pools)) for key, pools in regions.items()]
    whole = replace(base, states=(*base.states, *state), rates=(*base.rates, *rates))
    given = {**overrides, "lambda_per_min": lam["Ac-225"]}
    start = float(min(0.0, p.get("amino_acid_start_min", 0.0)))
    # the label is one at time 0: the time before it is amino acids alone, and nothing is there to decay
    given["start_min"] = start
    whole = replace(
        whole,
        states=tuple(
            replace(s, initial="exp(-lambda_per_min * start_min)") if s.name == "label" else s for s in whole.states
        ),
    )
    found = compiled(whole).solve([horizon_min], given, start_min=start, rtol=1e-8)
    return {key: float(np.asarray(found[name][0, -1])) for key, name in integrals.items()}
