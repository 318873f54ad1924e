"""Make the example table of `alphatwin fit`, and the table and pictures of docs/fitting.md.

python docs/make_fitting_figures.py example    # examples/fit-177lu-population*.csv
python docs/make_fitting_figures.py            # the table (printed) and docs/images/fitting*.png
"""

from __future__ import annotations

import json
import math
import pathlib
import sys

import numpy as np

from alphatwin.kinetics import fit_curve
from alphatwin.kinetics._calibration import ranks, uniformity
from alphatwin.kinetics._population_model import LN2
from alphatwin.kinetics.nonmem import dataset_of
from alphatwin.kinetics.population import PopulationFit, fit_population, simulate_dataset, single_time_point

HERE = pathlib.Path(__file__).parent
LU_H = 159.53  # only to say what the biological half-lives below mean
# effective half-life about 51 h (kidneys, Hänscheid 2018) and a spread of it near 15 %
KIDNEYS = {
    "population": {
        "log_amplitude": math.log(2.3),
        "log_half_life": math.log(75.0),
        "log_uptake_half_life": math.log(2.0),
    },
    "spread": {"log_amplitude": 0.35, "log_half_life": 0.25, "log_uptake_half_life": 0.4},
}
TUMOUR = {
    "population": {
        "log_amplitude": math.log(0.8),
        "log_half_life": math.log(150.0),
        "log_uptake_half_life": math.log(4.0),
    },
    "spread": {"log_amplitude": 0.9, "log_half_life": 0.45, "log_uptake_half_life": 0.5},
}
OKABE = {
    "black": "#000000",
    "orange": "#E69F00",
    "blue": "#0072B2",
    "green": "#009E73",
    "red": "#D55E00",
    "sky": "#56B4E9",
}


def simulated(patients: int, seed: int, times_h: list[float], region: dict, **more):
    return simulate_dataset(
        nuclide="Lu-177",
        model="uptake_clearance",
        times_h=times_h,
        patients=patients,
        proportional=0.08,
        seed=seed,
        **region,
        **more,
    )


def example() -> None:
    """Thirty patients with four images and two regions, a few points below the limit; six with a single image."""
    for name, patients, times, seed in (("", 30, [4.0, 24.0, 96.0, 168.0], 20), ("-new", 6, [96.0], 21)):
        both = [
            simulated(patients, seed + 50 * k, times, region, lloq_MBq=5.0)[0]
            for k, region in enumerate((KIDNEYS, TUMOUR))
        ]
        columns = ("ID", "TIME", "DV", "AMT_MBQ", "TINF", "EVID", "MDV", "DVID", "CENS", "LLOQ", "DECAYCORR", "WT")
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, 99], dtype=np.uint64)))
        weight = np.round(np.clip(75 + 13 * stream.standard_normal(patients), 45, 120), 0)
        rows = []
        for i in range(1, patients + 1):
            kidneys, tumour = (d.table[d.table["ID"] == i].reset_index(drop=True) for d in both)
            ident = i + (100 if name else 0)
            rows.append([ident, 0, np.nan, 7400, 0.5, 1, 1, np.nan, np.nan, np.nan, 0, weight[i - 1]])
            for j in range(1, len(kidneys)):  # one image shows both regions
                for dvid, t in ((1, kidneys), (2, tumour)):
                    rows.append(
                        [
                            ident,
                            kidneys["TIME"][j],
                            float(f"{t['DV'][j]:.4g}"),
                            np.nan,
                            np.nan,
                            0,
                            0,
                            dvid,
                            t["CENS"][j],
                            5.0,
                            0,
                            weight[i - 1],
                        ]
                    )
        data = dataset_of(dict(zip(columns, np.array(rows).T, strict=True)))
        (HERE.parent / "examples" / f"fit-177lu-population{name}.csv").write_text(data.csv(), encoding="utf-8")


def methods(fit: PopulationFit, patients: int, seed: int) -> list[dict[str, object]]:
    """Bias, sd, share beyond 10 % and coverage of the 90 % interval of each method at 24 h, 96 h and both."""
    data, _, truth = simulated(patients, seed, [24.0, 96.0], KIDNEYS)
    table = data.table[data.table["EVID"] == 0]
    y = table["DV"].to_numpy().reshape(patients, 2)
    half = fit.flat("population")[:, fit.parameters.index("log_half_life")]
    constant = LN2 / LU_H
    effective = LN2 / (constant + LN2 / math.exp(float(np.median(half))))
    spread = float(
        np.std([LN2 / (constant + LN2 / math.exp(h)) for h in np.median(fit.flat("curve")[:, :, 1], axis=0)])
        / effective
    )
    t = np.array([24.0, 96.0])
    out = []
    for name, use in (("24 h", [0]), ("96 h", [1]), ("24 and 96 h", [0, 1])):
        found: dict[str, list[tuple[float, float, float]]] = {"population": []}
        for i in range(patients):
            e = single_time_point(fit, t[use], y[i, use], 7400.0, seed=i, samples=200)
            found["population"].append((e.time_integrated_activity_MBq_h, e.low, e.high))
            if len(use) == 1:
                for rule in ("hanscheid", "madsen"):
                    extra = (
                        {"population_half_life_h": effective, "population_relative_sd": spread}
                        if rule == "madsen"
                        else {}
                    )
                    c = fit_curve(t[use], y[i, use], nuclide="Lu-177", model=rule, relative_sd=0.08, **extra)
                    found.setdefault(rule, []).append(_normal(c.time_integrated_activity_MBq_h, c.sd))
            else:
                c = (
                    fit_curve(t[use], y[i, use], nuclide="Lu-177", model="mono", relative_sd=0.08)
                    if y[i, 1] < y[i, 0]
                    else None
                )
                if c is not None:
                    found.setdefault("two-point exponential", []).append(
                        _normal(c.time_integrated_activity_MBq_h, c.sd)
                    )
        for rule, values in found.items():
            v = np.array(values)
            true = truth if len(v) == patients else truth[y[:, 1] < y[:, 0]]
            error = v[:, 0] / true - 1
            inside = (v[:, 1] <= true) & (true <= v[:, 2])
            out.append({"points": name, "method": rule, "n": len(v), "bias": float(error.mean()), "sd": float(error.std(ddof=1)),
                        "beyond_10": float((np.abs(error) > 0.1).mean()), "coverage": float(inside.mean()), "errors": error.tolist()})  # fmt: skip
    return out


def _normal(value: float, sd: float) -> tuple[float, float, float]:
    return value, value - 1.6449 * sd, value + 1.6449 * sd


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| points | method | bias, % | sd, % | beyond 10 %, % | 90 % interval holds, % |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        numbers = " | ".join(f"{100 * float(r[k]):.1f}" for k in ("bias", "sd", "beyond_10", "coverage"))  # type: ignore[arg-type]
        lines.append(f"| {r['points']} | {r['method']} | {numbers} |")
    return "\n".join(lines)


def draw(rows: list[dict[str, object]], fit: PopulationFit) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    names = {
        "population": OKABE["blue"],
        "hanscheid": OKABE["orange"],
        "madsen": OKABE["green"],
        "two-point exponential": OKABE["red"],
    }
    labels = {
        "population": "population",
        "hanscheid": "Hänscheid",
        "madsen": "Madsen",
        "two-point exponential": "exponential",
    }
    for k, r in enumerate(rows):
        errors = 100 * np.array(r["errors"])
        five = dict(
            zip(
                ("whislo", "q1", "med", "q3", "whishi"), np.quantile(errors, [0.05, 0.25, 0.5, 0.75, 0.95]), strict=True
            )
        )
        box = left.bxp(
            [five], positions=[k], widths=0.6, showfliers=False, patch_artist=True, medianprops={"color": "black"}
        )
        box["boxes"][0].set_facecolor(names[str(r["method"])])
    left.set_xticks(
        range(len(rows)),
        [f"{labels[str(r['method'])]}\n{str(r['points']).replace(' and ', ' + ')}" for r in rows],
        fontsize=7,
        rotation=30,
        ha="right",
    )
    left.axhspan(-10, 10, color="0.9", zorder=0)
    left.axhline(0, color="0.5", lw=0.8)
    left.set_ylabel("error of the time-integrated activity, %")
    left.set_title("500 simulated kidneys: boxes hold 50 %, whiskers 90 %", fontsize=10)
    counts = calibration(fit, 1000)
    n, bins = counts.sum(), len(counts)
    right.bar(np.arange(bins) + 0.5, counts, width=0.95, color=OKABE["sky"], edgecolor="black", lw=0.5)
    expected = n / bins
    band = 2.576 * math.sqrt(expected * (1 - 1 / bins))
    right.axhspan(expected - band, expected + band, color="0.85", zorder=0)
    right.axhline(expected, color="0.4", lw=1)
    right.set_xlabel("rank of the true value among 99 draws, in tenths")
    right.set_ylabel("simulated patients")
    right.set_title("Calibration with one point at 96 h; grey: 99 % of each bar", fontsize=10)
    figure.savefig(HERE / "images" / "fitting.png", dpi=130)


def calibration(fit: PopulationFit, replicates: int) -> np.ndarray:
    """Counts of ranks: population drawn from the fit, patient from the population, point from the patient."""
    found = ranks(fit, 96.0, replicates=replicates, draws=99, seed=3)[0]
    p = uniformity(found, 99, bins=10)
    print(f"calibration: chi-square p = {p:.3f} over {replicates} simulated patients")
    return np.bincount(found * 10 // 100, minlength=10)


def main() -> None:
    data, _, _ = simulated(40, 1, [4.0, 24.0, 96.0, 168.0], KIDNEYS)
    fit = fit_population(data, nuclide="Lu-177", seed=1)
    print(json.dumps(fit.summary(), indent=1))
    rows = methods(fit, 500, 2)
    print(table(rows))
    draw(rows, fit)


if __name__ == "__main__":
    example() if sys.argv[1:] == ["example"] else main()
