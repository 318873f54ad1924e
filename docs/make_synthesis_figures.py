"""Make the pictures of docs/synthesis.md again: ``python docs/make_synthesis_figures.py`` (needs the extra ``evidence``)."""

from __future__ import annotations

import pathlib

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alphatwin.evidence.pool import pool
from alphatwin.evidence.survival_curves import PatientTimes, kaplan_meier, reconstruct, rmst, survival_curve

IMAGES = pathlib.Path(__file__).parent / "images"
BLUE, VERMILION, ORANGE, GREY = "#0072B2", "#D55E00", "#E69F00", "#7A7A7A"
CONTROL = ([8, 24, 7, 8], [10, 24, 8, 9], "47 of 51 patients, 4 studies")
TOXICITY = ([1, 0, 0, 2, 1, 0, 0], [39, 8, 20, 35, 26, 24, 10], "4 of 162 patients, 7 studies")


def ways(axes: Axes, events: list[int], totals: list[int], title: str) -> None:
    """One line a way: estimate, interval (line) and where a new study is expected (bar)."""
    made = pool(events, totals).beside
    for i, (name, p) in enumerate(made.items()):
        colour = VERMILION if name == "glmm" else BLUE
        axes.plot(
            [100 * v for v in p.prediction_interval],
            [-i, -i],
            color=ORANGE,
            linewidth=6,
            alpha=0.45,
            solid_capstyle="butt",
        )
        axes.plot([100 * v for v in p.ci], [-i, -i], color=colour, linewidth=1.4, marker="|", markersize=7)
        axes.plot(100 * p.estimate, -i, marker="D" if name == "glmm" else "s", markersize=6, color=colour)
    axes.set_yticks([-i for i in range(len(made))], list(made))
    axes.set_xlabel("proportion (%)")
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(axis="x", color="#e3e8ee")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def save(figure: Figure, name: str) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(IMAGES / name, dpi=110, metadata={"Software": None})


def by_method() -> None:
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ways(left, *CONTROL)
    ways(right, *TOXICITY)
    save(figure, "synthesis-ways.png")


def reconstruction() -> None:
    """A curve of 120 patients, read to half a percent, and the patients found behind it."""
    rng = np.random.Generator(np.random.Philox(key=[3, 3]))
    t, c = rng.exponential(14, 120), rng.uniform(3, 36, 120)
    true = PatientTimes(tuple(np.minimum(t, c).tolist()), tuple((t <= c).tolist()))
    km = kaplan_meier(true.times, true.events)
    grid = np.linspace(0, true.last, 120)
    read = np.round(np.array([km.at(g) for g in grid]) / 0.005) * 0.005
    when = np.arange(0, true.last, 6.0)
    left = [int(np.sum(np.array(true.times) >= w)) for w in when]
    found = reconstruct(survival_curve(grid, read, left, when, drawn=True), true.n_events)
    again = kaplan_meier(found.times, found.events)
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.step(
        [0, *km.times],
        [1, *km.survival],
        where="post",
        color=GREY,
        linewidth=3.5,
        alpha=0.6,
        label="patients (simulated)",
    )
    axes.plot(grid, read, ".", color=ORANGE, markersize=5, label="points read off the drawing")
    axes.step(
        [0, *again.times],
        [1, *again.survival],
        where="post",
        color=BLUE,
        linewidth=1.2,
        label="patients found behind them",
    )
    a, b = rmst(true, 24.0), rmst(found, 24.0)
    axes.axvline(24, color=VERMILION, linestyle=":", linewidth=1)
    axes.text(
        23.6,
        0.62,
        f"restricted mean to 24 months\n{a.value:.2f} (SE {a.se:.2f}), found {b.value:.2f} ({b.se:.2f})",
        ha="right",
        fontsize=8,
    )
    for w, n in zip(when, left, strict=True):
        axes.text(w, 0.03, n, ha="center", fontsize=8)
    axes.text(0.8, 0.09, "at risk", fontsize=8)
    axes.set_xlabel("time (months)")
    axes.set_ylabel("survival")
    axes.set_ylim(0, 1.03)
    axes.set_xlim(-0.8, 36)
    axes.legend(frameon=False, fontsize=8)
    save(figure, "synthesis-reconstruction.png")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    by_method()
    reconstruction()
