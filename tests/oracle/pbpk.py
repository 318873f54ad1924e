"""The whole-body model written out by hand, one line per compartment, for scipy's LSODA at 1e-12; lesions in a loop."""

import itertools
import math

import numpy as np
from scipy.integrate import solve_ivp


def spaces(p, lesions):
    """Volumes, flows, receptors from the parameters."""
    vp = p["plasma_per_bsa_L"] * (1 - p["haematocrit"]) * p["bsa_m2"]
    output = p["output_per_plasma_per_min"] * vp
    s = {"vp": vp, "F": output}
    s["plasma"] = vp * (
        p["plasma_share_vessels"]
        + p["plasma_share_lungs"] * (1 + p["interstitium_per_plasma_lungs"])
        + p["plasma_share_red_marrow"] * (1 + p["interstitium_per_plasma_red_marrow"])
    )
    s["lesions"] = []
    for name in lesions:
        v = p[f"volume_{name}_mL"] * 1e-3
        s["lesions"].append(
            {
                "flow": p[f"perfusion_{name}_per_min"] * v,
                "v": p["vascular_lesion"] * (1 - p["haematocrit"]) * v,
                "i": p["interstitium_lesion"] * v,
                "ps": p[f"ps_{name}_per_min"] * v,
                "r": p[f"r0_{name}_nM"] * v,
                "rel": p[f"k_rel_{name}_per_min"],
            }
        )
    for organ in ("liver", "spleen"):
        v = p[f"volume_{organ}_L"]
        s[organ] = {
            "v": p[f"vascular_{organ}"] * v,
            "i": p[f"interstitium_{organ}"] * v,
            "ps": p[f"ps_{organ}_per_min"] * v,
            "r": p[f"r0_{organ}_nM"] * v,
            "rel": p[f"k_rel_{organ}_per_min"],
        }
    vk = p["volume_kidneys_L"]
    s["kv"], s["kt"], s["kr"] = p["vascular_kidneys"] * vk, p["tubular_kidneys"] * vk, p["r0_kidneys_nM"] * vk
    central = p["plasma_share_vessels"] + p["plasma_share_lungs"] + p["plasma_share_red_marrow"]
    s["rest_v"] = vp * (1 - central) - s["kv"] - s["liver"]["v"] - s["spleen"]["v"]
    s["rest_i"] = p["interstitium_per_plasma_rest"] * vp
    s["rest_ps"] = p["ps_slow_per_min"] * p["slow_per_body_L_per_kg"] * p["body_mass_kg"]
    return s


def derivative(t, y, p, s, aa):
    """dy/dt; y = plasma, kidney v t b n m, spleen v i b n, liver v i b n, lesions v i b n, rest v i n, excreted."""
    n_lesions = len(s["lesions"])
    d = np.zeros_like(y)
    plasma = y[0] / s["plasma"]
    infusion = p["infusion_min"]
    d[0] += p["peptide_nmol"] / infusion if infusion > 0 and t < infusion else 0.0
    koff, kon, k_int = p["kon_L_per_nmol_min"] * p["kd_nM"], p["kon_L_per_nmol_min"], p["k_int_per_min"]
    gone = 0.0
    back = 0.0

    kv, kt, kb, kn, km = y[1:6]
    flow = p["flow_kidneys"] * s["F"]
    filtered = p["gfr_L_per_min"] * p["phi"]
    cl = p["cl_megalin_L_per_min"] * (1 - p["amino_acid_emax"] * aa / (aa + p["amino_acid_half_level"]))
    cl /= 1 - p["amino_acid_emax"] / (1 + p["amino_acid_half_level"])
    ct = kt / s["kt"]
    uptake = cl * ct / (1 + ct / p["k_megalin_nM"])
    bind = kon * ct * (s["kr"] - kb) - koff * kb
    reabsorbed = filtered * (1 - p["f_excreted"]) * ct
    d[0] += flow * (kv / s["kv"] - plasma)
    d[1] = flow * (plasma - kv / s["kv"]) - filtered * kv / s["kv"] + reabsorbed
    d[2] = filtered * kv / s["kv"] - reabsorbed - filtered * p["f_excreted"] * ct - uptake - bind
    d[3] = bind - k_int * kb
    d[4] = k_int * kb - p["k_rel_kidneys_per_min"] * kn
    d[5] = uptake - p["k_rel_kidneys_per_min"] * km
    out = p["k_rel_kidneys_per_min"] * (kn + km)
    gone += filtered * p["f_excreted"] * ct + out * (1 - p["f_return"])
    back += out * p["f_return"]

    f_spleen, f_artery, f_gut = (p[f"flow_{o}"] * s["F"] for o in ("spleen", "liver", "gut"))
    inflow_liver = f_artery * plasma + f_gut * plasma
    tissues = [(6, s["spleen"], f_spleen, f_spleen * plasma), (10, s["liver"], f_artery + f_gut + f_spleen, None)]
    tissues += [(14 + 4 * k, x, x["flow"], x["flow"] * plasma) for k, x in enumerate(s["lesions"])]
    for at, x, flow_out, arriving in tissues:
        v, i, b, n = y[at : at + 4]
        if arriving is None:
            arriving = inflow_liver + f_spleen * y[6] / s["spleen"]["v"]
        else:
            d[0] -= arriving
        exchange = x["ps"] * (v / x["v"] - i / x["i"])
        bind = kon * i / x["i"] * (x["r"] - b) - koff * b
        leaving = flow_out * v / x["v"]
        d[at] = arriving - leaving - exchange
        d[at + 1] = exchange - bind
        d[at + 2] = bind - k_int * b
        d[at + 3] = k_int * b - x["rel"] * n
        gone += x["rel"] * n * (1 - p["f_return"])
        back += x["rel"] * n * p["f_return"]
        if at != 6:
            d[0] += leaving
    d[0] -= inflow_liver

    at = 14 + 4 * n_lesions
    share = 1 - sum(p[f"flow_{o}"] for o in ("kidneys", "liver", "spleen", "gut"))
    f_rest = share * s["F"] - sum(x["flow"] for x in s["lesions"])
    rv, ri = y[at], y[at + 1]
    exchange = s["rest_ps"] * (rv / s["rest_v"] - ri / s["rest_i"])
    d[0] += f_rest * (rv / s["rest_v"] - plasma)
    d[at] = f_rest * (plasma - rv / s["rest_v"]) - exchange
    taken, released = p.get("k_hold_rest_per_min", 0.0) * ri, p.get("k_rel_rest_per_min", 0.0) * y[at + 2]
    d[at + 1] = exchange - taken
    d[at + 2] = taken - released
    back += released * p["f_return"]
    d[at + 3] = gone + released * (1 - p["f_return"])
    d[0] += back
    return d


def amino_acids(t, p):
    """Level of amino acids in plasma, closed form of an infusion into one pool."""
    k, since = p["amino_acid_k_per_min"], t - p["amino_acid_start_min"]
    if since <= 0:
        return 0.0
    running = min(since, p["amino_acid_duration_min"])
    return p["amino_acids"] * -math.expm1(-k * running) * math.exp(-k * (since - running))


def solve(p, lesions, times_min, rtol=1e-12, method="LSODA"):
    """States [state, time]; integrated from one event to the next."""
    s = spaces(p, lesions)
    n = 18 + 4 * len(lesions)
    y = np.zeros(n)
    if p["infusion_min"] == 0:
        y[0] = p["peptide_nmol"]
    stop = p["amino_acid_start_min"] + p["amino_acid_duration_min"]
    edges = sorted(
        {0.0, float(times_min[-1])}
        | {e for e in (p["infusion_min"], stop, p["amino_acid_start_min"]) if 0 < e < times_min[-1]}
    )
    out = np.zeros((n, len(times_min)))
    for a, b in itertools.pairwise(edges):
        inside = (times_min >= a) & (times_min <= b)
        asked = np.unique(np.append(times_min[inside], b))
        middle = 0.5 * (a + b)
        on = p["infusion_min"] if middle < p["infusion_min"] else 0.0
        frozen = {**p, "infusion_min": on and 1e300, "peptide_nmol": p["peptide_nmol"] / on * 1e300 if on else 0.0}
        found = solve_ivp(lambda t, x, q=frozen: derivative(t, x, q, s, amino_acids(t, p)), (a, b), y, method, asked, rtol=rtol, atol=1e-13 if rtol < 1e-9 else 1e-9)  # fmt: skip
        assert found.success, found.message
        out[:, inside] = found.y[:, np.searchsorted(asked, times_min[inside])]
        y = found.y[:, -1]
    return out
