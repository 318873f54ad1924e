"""Make the pictures of docs/cells.md again: ``python docs/make_cell_figures.py`` (plain SVG, no plotting library)."""

from __future__ import annotations

import math
import pathlib
from dataclasses import dataclass, field

import numpy as np

from alphatwin.physics.matter import medium
from alphatwin.transport.hits import specific_energy

WIDTH, HEIGHT = 620, 380
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 46
COLOURS = ("#1b4f8f", "#c2410c", "#15803d", "#7e22ce", "#525252")


@dataclass
class Figure:
    title: str
    x_label: str
    y_label: str
    x: tuple[float, float]
    y: tuple[float, float]
    log_y: bool = False
    parts: list[str] = field(default_factory=list)
    names: list[tuple[str, str, str]] = field(default_factory=list)

    def place(self, x, y):
        low, high = self.y
        part = (math.log(y / low) / math.log(high / low)) if self.log_y else (y - low) / (high - low)
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM),
        )

    def line(self, x, y, name, colour, dash=""):
        low = self.y[0]
        shown = [(a, b) for a, b in zip(x, y, strict=True) if b > low or not self.log_y]
        points = " ".join("{:.1f},{:.1f}".format(*self.place(a, min(max(b, low), self.y[1]))) for a, b in shown)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8"{style} points="{points}"/>')
        self.names.append((name, colour, dash))

    def text(self, x, y, words, anchor="start", size=12, turn=""):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{turn}>{words}</text>'
        )

    def ticks(self):
        for value in np.linspace(*self.x, 6):
            x, y = self.place(value, self.y[0])
            self.parts.append(f'<path d="M{x:.1f} {y:.1f}v5" stroke="#444"/>')
            self.text(x, y + 18, f"{value:.3g}", "middle", 11)
        if self.log_y:
            values = 10.0 ** np.arange(math.ceil(math.log10(self.y[0])), math.log10(self.y[1]) + 0.01)
        else:
            values = np.linspace(*self.y, 6)
        for value in values:
            x, y = self.place(self.x[0], value)
            self.parts.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
            self.text(x - 6, y + 4, f"{value:.3g}", "end", 11)

    def write(self, file):
        curves, self.parts = self.parts, []
        self.ticks()
        self.parts += curves
        self.text(LEFT, 20, self.title, size=14)
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, self.x_label, "middle")
        turn = f' transform="rotate(-90 16 {HEIGHT / 2:.0f})"'
        self.text(16, HEIGHT / 2, self.y_label, "middle", 12, turn)
        for i, (name, colour, dash) in enumerate(self.names):
            y = TOP + 16 + 17 * i
            style = f' stroke-dasharray="{dash}"' if dash else ""
            self.parts.append(f'<path d="M{WIDTH - 232} {y - 4}h24" stroke="{colour}" stroke-width="2"{style}/>')
            self.text(WIDTH - 202, y, name)
        body = "\n".join(self.parts)
        file.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n',
            encoding="utf-8",
        )


def bragg(folder):
    """Why the residual range matters: energy against what is left of the range."""
    water = medium("water")
    figure = Figure(
        "Alphas in water: a crossing costs more near the end", "range left (um)", "keV/um", (0, 100), (0, 250)
    )
    for name, energy, colour in (("Po-212, 8.78 MeV", 8.785, COLOURS[0]), ("Po-210, 5.30 MeV", 5.304, COLOURS[1])):
        r = np.linspace(0.3, water.csda_range_um("alpha", energy), 400)
        e = np.clip(water.energy_after("alpha", r), 2e-3, None)
        figure.line(r, water.let_keV_per_um("alpha", e), name, colour, "" if energy > 6 else "7 4")
    figure.write(folder / "cells-bragg.svg")


def single_events(folder):
    figure = Figure(
        "One 210Po alpha: f1(z) in a nucleus (4 um) of a cell (5 um)",
        "specific energy z (Gy)",
        "f1(z) (1/Gy)",
        (0, 0.6),
        (0, 6),
    )
    z = np.linspace(0, 0.6, 500)
    for source, colour in zip(("nucleus", "cytoplasm", "surface"), COLOURS, strict=False):
        result = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, source=source)
        name = f"{source}: {100 * result.hit_probability:.0f} % hit, zF {result.z_frequency_mean_Gy:.2f} Gy"
        figure.line(z, result.single_event_pdf(z), name, colour)
    figure.write(folder / "cells-single-event.svg")


def many_events(folder):
    figure = Figure(
        "225Ac on the surface, chain in place: f(z) of many events",
        "specific energy z (Gy)",
        "f(z) (1/Gy)",
        (0, 8),
        (0, 2.5),
    )
    z = np.linspace(0, 8, 900)
    for decays, colour in zip((3, 10, 30, 60), COLOURS, strict=False):
        result = specific_energy("Ac-225", cell_radius_um=7, nucleus_radius_um=5, decays=decays)
        figure.line(z, result.pdf(z), f"{decays} decays: {100 * result.zero_hit_probability:.2g} % not hit", colour)
    figure.write(folder / "cells-many-events.svg")


def survival(folder):
    figure = Figure(
        "Survival, 225Ac on the surface (alpha 1.5/Gy, beta 0.05/Gy2)",
        "mean dose (Gy)",
        "survival",
        (0, 10),
        (1e-5, 1),
        True,
    )
    doses = np.linspace(0.02, 10, 80)
    for name, options, colour in (
        ("exact, decays independent", {}, COLOURS[0]),
        ("exact, four alphas of an atom", {"events": "atom"}, COLOURS[2]),
    ):
        per_decay = specific_energy("Ac-225", cell_radius_um=7, nucleus_radius_um=5).mean_dose_Gy
        values = [
            specific_energy("Ac-225", cell_radius_um=7, nucleus_radius_um=5, decays=d / per_decay, **options).survival(
                1.5, 0.05
            )
            for d in doses
        ]
        figure.line(doses, values, name, colour)
    figure.line(doses, np.exp(-1.5 * doses - 0.05 * doses**2), "from the mean dose", COLOURS[1], "6 4")
    zero = [
        specific_energy("Ac-225", cell_radius_um=7, nucleus_radius_um=5, decays=d / per_decay).zero_hit_probability
        for d in doses
    ]
    figure.line(doses, zero, "not hit at all", COLOURS[4], "2 3")
    figure.write(folder / "cells-survival.svg")


def main():
    folder = pathlib.Path(__file__).parent / "images"
    folder.mkdir(exist_ok=True)
    for picture in (bragg, single_events, many_events, survival):
        picture(folder)


if __name__ == "__main__":
    main()
