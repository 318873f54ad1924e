"""Figures of docs/quantification.md: recovery, few counts, and where the uncertainty of a dose comes from.

Run from the repository: python docs/make_quantification_figures.py
"""

import math
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from alphatwin.draws import Draws
from alphatwin.imaging import quantify as q

HERE = pathlib.Path(__file__).parent
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
FWHM_MM = 14.0


def spheres():
    """Six spheres of a phantom: the blurred sphere with 2 % of noise."""
    volumes = np.array([0.5, 1.2, 2.6, 5.6, 11.5, 26.5])
    noise = 0.02 * np.array([0.5, -0.7, 0.4, 1.0, -0.9, 0.2])
    measured = np.array([q.sphere_recovery(v, FWHM_MM) for v in volumes]) + noise
    return volumes, measured, q.fit_recovery(volumes, measured, sd=0.02)


def recovery(axes, volumes, measured, curve):
    v = np.geomspace(0.4, 400, 200)
    fit = curve(v)
    sd = np.array([curve.sd(float(x)) for x in v])
    wide = np.array([curve.sd(float(x), 0.15 * float(x)) for x in v])
    axes.fill_between(v, fit - wide, fit + wide, color=BLUE, alpha=0.15, lw=0, label="with 15 % of volume")
    axes.fill_between(v, fit - sd, fit + sd, color=BLUE, alpha=0.4, lw=0, label="sd of the fit")
    known = v <= volumes.max()
    axes.plot(v[known], fit[known], color=BLUE, label="1/(1 + (b/V)$^c$)")
    axes.plot(v[~known], fit[~known], color=BLUE, ls=":", label="beyond the largest sphere")
    axes.plot(
        v, [q.sphere_recovery(float(x), FWHM_MM) for x in v], color=ORANGE, ls="--", label="blurred sphere, closed form"
    )
    axes.errorbar(volumes, measured, 0.02, fmt="o", color="black", ms=4, label="spheres")
    axes.set(xscale="log", xlabel="volume / mL", ylabel="recovery coefficient", ylim=(0, 1))
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title(f"Recovery, blur of {FWHM_MM:g} mm", fontsize=10)


def budget(axes, curve):
    """Relative sd of the dose of a kidney and of lesions, one bar each."""
    regions = {
        "kidney, 240 mL": (240.0, 0.05, 0.01),
        "lesion, 14 mL": (14.0, 0.12, 0.03),
        "lesion, 3 mL": (3.0, 0.25, 0.08),
    }
    names = ("calibration", "volume", "recovery", "fit", "S")
    rows = np.arange(len(regions))
    totals, sampled, parts = [], [], {name: [] for name in names}
    for name, (volume, spread, noise) in regions.items():
        times = np.array([4.0, 24.0, 96.0, 168.0])
        seen = 30 * np.exp(-0.011 * times)
        draws = Draws(2000, seed=1)
        counts = q.RegionCounts(name, times, seen, noise * seen, volume, spread * volume, FWHM_MM)
        made = q.activity_samples(counts, 0.05, curve, draws=draws)
        curves = q.fit_samples(made, nuclide="Lu-177", draws=draws, model="mono")
        dose = q.dose_samples(curves, 1e-3, s_relative_sd=0.02, draws=draws)
        for key in names:
            parts[key].append(100 * dose.budget[key])
        totals.append(100 * dose.sd_Gy / dose.nominal_Gy)
        sampled.append(100 * float(dose.dose_Gy.std()) / dose.nominal_Gy)
    height = 0.15
    for i, (key, colour) in enumerate(zip(names, (BLUE, ORANGE, GREEN, PURPLE, GREY), strict=True)):
        axes.barh(rows + (i - 2) * height, parts[key], height, color=colour, label=key)
    axes.scatter(totals, rows, marker="|", s=250, lw=2.5, color="black", label="all, closed form")
    axes.scatter(sampled, rows, marker="x", s=40, color="black", label="all, 2000 samples")
    axes.set_yticks(rows, list(regions))
    axes.set_ylim(2.6, -0.6)
    axes.set(xlabel="standard uncertainty of the dose / %", xlim=(0, 1.35 * max(*totals, *sampled)))
    axes.legend(fontsize=8, loc="upper right")
    axes.set_title("Where it comes from", fontsize=10)


def posteriors(axes):
    grid = np.linspace(0, 32, 800)
    for gross, colour in ((8, BLUE), (14, ORANGE), (24, GREEN)):
        seen = q.LowCounts(gross, 40, 4)
        density = np.gradient(seen.posterior().cdf(grid), grid)
        word = "detected" if seen.detected else "not detected"
        axes.plot(grid, density, color=colour, label=f"{gross} counts, net {seen.net:+.0f}: {word}")
    level, limit = q.LowCounts(10, 40, 4).limits
    for x, text in ((level, "$L_C$"), (limit, "$L_D$")):
        axes.axvline(x, color=GREY, ls=":")
        axes.text(x + 0.3, 0.2, text, color=GREY)
    axes.set(
        xlabel="expected counts of the region's activity", ylabel="posterior density", ylim=(0, None), xlim=(0, 32)
    )
    axes.legend(fontsize=8, loc="upper right")
    axes.set_title("Background 10 counts (40 in four times the extent)", fontsize=10)


def few_counts(axes):
    times, kappa = np.array([4.0, 24.0, 72.0, 120.0, 168.0]), 12.0
    stream = np.random.Generator(np.random.Philox(key=12))
    rate, height = 0.009, 1.6
    counts = [q.LowCounts(int(stream.poisson(kappa * height * math.exp(-rate * t) + 10)), 40, 4) for t in times]
    made = q.low_count_curve(times, counts, [kappa] * 5, nuclide="Ac-225", draws=Draws(2000, seed=1))
    t = np.linspace(0, 200, 200)
    curves = np.einsum("si,sti->st", made.amplitudes_MBq, np.exp(-made.rates_per_h[:, None, :] * t[None, :, None]))
    low, middle, high = np.quantile(curves, [0.05, 0.5, 0.95], axis=0)
    axes.fill_between(t, low, high, color=BLUE, alpha=0.25, lw=0, label="90 % of 2000 samples")
    axes.plot(t, middle, color=BLUE, label="median")
    axes.plot(t, height * np.exp(-rate * t), color=ORANGE, ls="--", label="truth")
    axes.errorbar(times, [c.net / kappa for c in counts], [c.net_sd / kappa for c in counts], fmt="o", color="black", ms=4,
                  label="net counts, not clipped")  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(xlabel="time after administration / h", ylabel="activity / MBq", xlim=(0, 200))
    axes.legend(fontsize=8, loc="upper right")
    axes.set_title("One exponential by Poisson likelihood, 225Ac", fontsize=10)


def main():
    volumes, measured, curve = spheres()
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    recovery(axes[0], volumes, measured, curve)
    budget(axes[1], curve)
    figure.savefig(HERE / "images" / "quantification-uncertainty.png", dpi=110)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    posteriors(axes[0])
    few_counts(axes[1])
    figure.savefig(HERE / "images" / "quantification-low-counts.png", dpi=110)


if __name__ == "__main__":
    main()
