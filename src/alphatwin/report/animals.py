"""The result of a case of animals: lines for a terminal, a page with survival and growth, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import pathlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import figures
from .files import write_folder
from .model import DISCLAIMER, Provenance, stats
from .plan import Section, Table, plan_page, quantiles

if TYPE_CHECKING:
    from ..cohort.animals import AnimalStudy, ArmResult, Beside, Pair

__all__ = ["AnimalsReport"]

WIDTH = 80
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True, eq=False)
class AnimalsReport:
    """A study of animals, to print, to write, to open as a page.

    Attributes
    ----------
    study : AnimalStudy
        From ``alphatwin.animal_study``.
    provenance : Provenance
    """

    study: AnimalStudy
    provenance: Provenance

    @classmethod
    def of(cls, study: AnimalStudy) -> AnimalsReport:
        """The report of a study, with what is needed to make it again."""
        import platform
        from importlib.metadata import version

        from .. import __version__, catalog
        from .._jit import source_sha256

        names = ("numpy", "scipy", "numba", "xarray", "icrp107-database")
        return cls(study, Provenance(
            software=f"alphatwin {__version__}", code_sha256=source_sha256(), case_sha256=study.case.sha256(),
            catalog_sha256=catalog.sha256(), seed=study.case.study.seed, samples=study.case.study.pool,
            python=platform.python_version(), libraries={n: version(n) for n in names},
            options=(f"study: {study.case.study!r}", f"endpoints: {study.case.endpoints!r}"), sources=study.sources,
        ))  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The content of animals.json; what is infinite or unknown is null."""
        s, p = self.study, self.provenance
        made = {
            "case": s.case.case, "title": s.case.title, "species": s.case.species, "nuclide": s.case.nuclide,
            "disclaimer": DISCLAIMER,
            "dose_per_activity": [_organ(o) for o in s.arms[0].doses],
            "arms": [_arm(a, s.case.arms[a.name]) for a in s.arms],
            "comparisons": [_pair(x) for x in s.pairs],
            "tumour_sizes": [
                {"mass_g": r.mass_g, "dose_Gy_per_MBq": r.dose_Gy_per_MBq, "electron_escape": r.electron_escape, "cured": r.cured,
                 "median_survival_d": r.median_d, "growth_delay_d": r.growth_delay_d} for r in s.sizes
            ],
            "human_dose_Gy_per_GBq": [{"region": h.region, "rule": h.rule, **stats(h.Gy_per_GBq)} for h in s.human],
            "published": [
                {"what": b.what, "unit": b.unit, "published": b.row.value, "sd": b.row.sd, "ours": b.ours,
                 "difference_percent": b.difference_percent, "calibrated": b.row.calibrated, "source": b.row.source,
                 "locator": b.row.locator, "note": b.row.note} for b in s.beside
            ],
            "evidence_store": [
                {"study": k.title, "year": k.year, "captured": k.captured, "read_in": k.status, "not_captured": k.gap} for k in s.known
            ],
            "notes": list(s.notes),
            "provenance": {
                "software": p.software, "code_sha256": p.code_sha256, "case_sha256": p.case_sha256,
                "catalog_sha256": p.catalog_sha256, "seed": p.seed, "python": p.python, "libraries": dict(p.libraries),
                "sources": list(p.sources),
            },
        }  # fmt: skip
        return dict(_plain(made))

    def csv(self) -> str:
        """One line a virtual animal of the study's groups and pools: arm, animal, in the group, end, cause, doses."""
        from ..cohort.animals import CAUSES

        out = io.StringIO()
        out.write(
            f"# {self.provenance.software}; case sha256 {self.provenance.case_sha256}; seed {self.provenance.seed}\n"
        )
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["arm", "animal", "in_group", "end_d", "event", "ended_by", "cured", "tumour_mass_g", "tumour_dose_Gy",
                         "kidney_dose_Gy"])  # fmt: skip
        for a in self.study.arms:
            g = a.group
            for i in range(len(g.end_d)):
                writer.writerow([
                    a.name, i, int(a.members.start <= i < a.members.stop), f"{g.end_d[i]:g}", int(g.event[i]), CAUSES[int(g.cause[i])],
                    int(g.cured[i]), f"{g.mass_g[i]:.6g}", f"{g.tumour_dose_Gy[i]:.6g}", f"{g.kidney_dose_Gy[i]:.6g}",
                ])  # fmt: skip
        return out.getvalue()

    def text(self) -> str:
        """Lines of at most 80 columns for a terminal."""
        return "\n".join(_lines(self))

    def html(self) -> str:
        """One self-contained page."""
        return plan_page(self.study.case.title or self.study.case.case, _asked(self.study), _sections(self), self.study.notes,
                         self.provenance)  # fmt: skip

    def write(self, parent: str | pathlib.Path = ".") -> pathlib.Path:
        """Write animals.html, animals.json and animals.csv into a folder named after the case.

        Raises
        ------
        OutputError
            The folder cannot be made or written to.
        """
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return write_folder(self.study.case.case, pathlib.Path(parent), {
            "animals.html": lambda file: file.write_text(self.html(), encoding="utf-8"),
            "animals.json": lambda file: file.write_text(text + "\n", encoding="utf-8"),
            "animals.csv": lambda file: file.write_text(self.csv(), encoding="utf-8"),
        })  # fmt: skip


def _plain(value: Any) -> Any:
    """Plain types, nine digits; None for what is infinite or no number."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.9g}") if math.isfinite(value) else None
    return value


def _organ(o: Any) -> dict[str, Any]:
    return {
        "region": o.region, "mass_g": o.mass_g, "time_integrated_activity_h": o.tia_h, "alpha_Gy_per_MBq": o.alpha,
        "electron_Gy_per_MBq": o.electron, "photon_Gy_per_MBq": o.photon, "total_Gy_per_MBq": o.total,
        "electron_escape": o.electron_escape, "alpha_escape": o.alpha_escape, "relative_sd_of_mean": o.sd_of_mean,
        "cv_between_animals": o.between_animals,
    }  # fmt: skip


def _arm(a: ArmResult, given: Any) -> dict[str, Any]:
    g = a.group
    return {
        "arm": a.name, "activity_MBq": given.activity, "injections_d": [h / 24.0 for h in given.times],
        "tumour_dose_Gy": stats(g.tumour_dose_Gy),
        "kidney_dose_Gy": stats(g.kidney_dose_Gy) if np.isfinite(g.kidney_dose_Gy).all() else None,
        "median_survival_d": a.median_d, "mean_survival_of_dead_d": a.mean_of_dead_d, "survivors": a.survivors,
        "cured": a.cured, "ended_by": a.causes(),
        "volume_mm3": {"time_d": a.times_d.tolist(), **dict(zip(("p05", "p50", "p95"), a.volume_band().tolist(), strict=True))},
    }  # fmt: skip


def _pair(x: Pair) -> dict[str, Any]:
    def told(r: Any) -> dict[str, Any]:
        return {
            "chi2": r.chi2,
            "p": r.p,
            "hazard_ratio": r.hazard_ratio,
            "low": r.low,
            "high": r.high,
            "events": list(r.events),
        }

    return {
        "first": x.first, "second": x.second, "group": told(x.group), "pool": told(x.pool),
        "growth_delay_d": x.growth_delay_d,
        "animals_per_arm": {
            "simulated": x.needed.simulated, "schoenfeld": x.needed.closed_form,
            "power": {str(k): v for k, v in x.needed.power_at.items()},
        },
    }  # fmt: skip


# --- words -----------------------------------------------------------------------------------------------------------


def _asked(s: AnimalStudy) -> str:
    n = s.case.study.animals_per_arm
    return (
        f"{s.case.nuclide} in {'mice' if s.case.species == 'mouse' else 'rats'} of {s.case.body_mass:g} g with a tumour of "
        f"{1000 * s.case.tumour.mass:g} mg ({s.case.tumour.line}); {len(s.arms)} arms of {n} animals, "
        f"{s.case.study.pool} virtual animals behind each."
    )


def _num(value: float, digits: int = 3) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def _days(value: float) -> str:
    return _num(value) if not math.isfinite(value) else f"{value:.0f}"


def _ratio(r: Any) -> str:
    if not math.isfinite(r.hazard_ratio) or r.hazard_ratio == 0.0:
        return "apart" if r.events[0] + r.events[1] else "-"
    return "<0.01" if r.high < 0.01 else f"{r.hazard_ratio:.2f} ({r.low:.2f}-{r.high:.2f})"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _needed(x: Pair) -> tuple[str, str]:
    simulated = str(x.needed.simulated) if x.needed.simulated is not None else ">400"
    closed = x.needed.closed_form
    return simulated, "-" if not math.isfinite(closed) else f"{math.ceil(closed)}" if closed < 9999 else ">9999"


def _human_rows(s: AnimalStudy) -> list[tuple[str, str, float, float, float]]:
    """Organ, rule, and 5, 50, 95 % in Gy/GBq; `all rules` takes each with the same weight."""
    made = []
    for region in dict.fromkeys(h.region for h in s.human):
        own = [h for h in s.human if h.region == region]
        made += [(region, h.rule, *quantiles(h.Gy_per_GBq)) for h in own]
        made.append((region, "all rules", *quantiles(np.concatenate([h.Gy_per_GBq for h in own]))))
    return made


def _published_human(s: AnimalStudy) -> dict[str, list[tuple[float, str]]]:
    """Published human doses in Gy/GBq by region, of the agent of the case or of the one that its translation names."""
    from .. import catalog
    from ..units import read_quantity

    name = s.case.translation.agent or s.case.agent
    found: dict[str, list[tuple[float, str]]] = {}
    for dose in catalog.agent(name).doses if name else ():
        if dose.quantity == "absorbed_dose":
            value = 1000.0 * read_quantity(f"{dose.value} {dose.unit}", "Gy/MBq", "absorbed dose per activity")
            found.setdefault(dose.region, []).append((value, dose.source))
    return found


def _function_rows(s: AnimalStudy) -> list[tuple[str, str, str]]:
    marker = s.case.endpoints.kidneys
    if marker is None:
        return []
    rows = []
    for a in s.arms:
        values = a.function_at(marker.marker_time / 24.0)
        if values is not None:
            low, mid, high = (100 * v for v in quantiles(values))
            rows.append((a.name, f"{100 * float(values.mean()):.0f}", f"{mid:.0f} ({low:.0f} to {high:.0f})"))
    return rows


# --- terminal --------------------------------------------------------------------------------------------------------


def _lines(r: AnimalsReport) -> Iterator[str]:
    s = r.study
    yield from textwrap.wrap(s.case.title or s.case.case, WIDTH)
    yield from textwrap.wrap(_asked(s), WIDTH)
    yield from ("", "Dose of the mean animal, first arm, self dose (Gy/MBq)")
    yield f"{'organ':13s}{'mass g':>8s}{'MBq h/MBq':>10s}{'alpha':>8s}{'beta':>8s}{'total':>8s}{'+-mean':>8s}{'CV':>6s}{'e- lost':>9s}"
    yield "-" * WIDTH
    for o in s.arms[0].doses:
        yield (f"{o.region[:12]:13s}{_num(o.mass_g):>8s}{_num(o.tia_h):>10s}{_num(o.alpha):>8s}{_num(o.electron):>8s}{_num(o.total):>8s}"
               f"{100 * o.sd_of_mean:>6.0f} %{100 * o.between_animals:>4.0f} %{100 * o.electron_escape:>7.0f} %")  # fmt: skip
    yield from ("", "Arms, virtual animals (4 x: median day at four times the start)")
    yield f"{'arm':25s}{'tumour':>8s}{'kidney':>8s}{'median':>8s}{'4 x':>7s}{'alive':>7s}{'cured':>7s}{'by weight':>10s}"
    yield f"{'':25s}{'Gy':>8s}{'Gy':>8s}{'d':>8s}{'d':>7s}{'%':>7s}{'%':>7s}{'/kidney %':>10s}"
    yield "-" * WIDTH
    for a in s.arms:
        c = a.causes()
        reach = float(np.sort(a.group.reach_d)[(a.group.reach_d.size - 1) // 2])
        yield (f"{a.name[:24]:25s}{_num(float(a.group.tumour_dose_Gy.mean())):>8s}{_num(float(a.group.kidney_dose_Gy.mean())):>8s}"
               f"{_days(a.median_d):>8s}{_days(reach):>7s}{100 * a.survivors:>7.0f}{100 * a.cured:>7.0f}"
               f"{100 * c['weight']:>6.0f}/{100 * c['kidneys']:.0f}")  # fmt: skip
    yield from _compared(s)
    yield from _further(s)
    yield ""
    for note in s.notes:
        yield from textwrap.wrap(f"- {note}", WIDTH, subsequent_indent="  ")
    yield ""
    yield from textwrap.wrap(DISCLAIMER, WIDTH)


def _compared(s: AnimalStudy) -> Iterator[str]:
    if not s.pairs:
        return
    study = s.case.study
    yield from (
        "",
        f"Arms compared: one study of {study.animals_per_arm} a group; animals a group for {100 * study.power:.0f} % power",
    )
    yield f"{'':42s}{'p':>7s}{'hazard ratio, all':>19s}{'needs':>12s}"
    for x in s.pairs:
        needs = "/".join(_needed(x))
        for i, line in enumerate(textwrap.wrap(f"{x.second} against {x.first}", 41)):
            yield line if i else f"{line:42s}{_p(x.group.p):>7s}{_ratio(x.pool):>19s}{needs:>12s}"
    yield "needs: simulated / Schoenfeld's formula; apart: the groups do not overlap."


def _further(s: AnimalStudy) -> Iterator[str]:
    rows = _function_rows(s)
    if rows and s.case.endpoints.kidneys is not None:
        yield from (
            "",
            f"{s.case.endpoints.kidneys.marker} at {s.case.endpoints.kidneys.marker_time / 24:g} d, % of the start: mean; median (5 to 95 %)",
        )
        for name, mean, band in rows:
            yield f"  {name[:24]:26s}{mean:>5s}   {band}"
    if s.sizes:
        treated = next(n for n, a in s.case.arms.items() if a.activity > 0)
        yield from ("", f"Tumour size, arm '{treated}'")
        yield f"{'mg':>8s}{'Gy/MBq':>10s}{'e- lost %':>11s}{'median d':>10s}{'delay d':>9s}{'cured %':>9s}"
        for row in s.sizes:
            yield (f"{1000 * row.mass_g:>8.0f}{_num(row.dose_Gy_per_MBq):>10s}{100 * row.electron_escape:>11.0f}{_days(row.median_d):>10s}"
                   f"{_days(row.growth_delay_d):>9s}{100 * row.cured:>9.0f}")  # fmt: skip
    if s.beside:
        yield from ("", "Beside published numbers")
        for b in s.beside:
            yield _beside(b)
    if s.known:
        yield from ("", f"In the evidence store, {s.case.nuclide} in animals:")
        for k in s.known:
            told = f"- {k.title} ({k.year or 'no year'}, {k.status or 'not read'}): {k.captured}"
            yield from textwrap.wrap(told, WIDTH, subsequent_indent="  ")
    if s.human:
        published = _published_human(s)
        yield from ("", "Translated to man, Gy/GBq: median of each rule; 5 to 95 % over all rules")
        yield f"{'organ':12s}{'none':>8s}{'mass':>8s}{'time':>8s}{'both':>8s}{'allom.':>8s}{'all rules':>16s}{'published':>12s}"
        rows_by = _human_rows(s)
        for region in dict.fromkeys(row[0] for row in rows_by):
            own = [row for row in rows_by if row[0] == region]
            known = sorted(v for v, _ in published.get(region, []))
            shown = (
                "-"
                if not known
                else _num(known[0], 2)
                if len(known) == 1
                else f"{_num(known[0], 2)}-{_num(known[-1], 2)}"
            )
            span = f"{_num(own[-1][2], 2)}-{_num(own[-1][4], 2)}"
            yield (
                f"{region[:11]:12s}"
                + "".join(f"{_num(row[3], 2):>8s}" for row in own[:-1])
                + f"{span:>16s}{shown:>12s}"
            )


def _beside(b: Beside) -> str:
    mark = (
        "set by it"
        if b.row.calibrated
        else f"{b.difference_percent:+.0f} %"
        if math.isfinite(b.difference_percent)
        else "-"
    )
    return f"{b.what[:37]:38s}{_num(b.row.value):>8s} ours {_num(b.ours):>7s} {b.unit:8s}{mark:>12s}"


# --- page ------------------------------------------------------------------------------------------------------------


def _sections(r: AnimalsReport) -> list[Section]:
    s = r.study
    made = [_survival(s), _growth(s), _doses(s)]
    if s.beside or s.known:
        made.append(_published(s))
    if s.human:
        made.append(_man(s))
    return made


def _survival(s: AnimalStudy) -> Section:
    rows = []
    for a in s.arms:
        c = a.causes()
        rows.append((a.name, _num(s.case.arms[a.name].activity), str(len(s.case.arms[a.name].times)), _num(float(a.group.tumour_dose_Gy.mean())),
                     _num(float(a.group.kidney_dose_Gy.mean())), _days(a.median_d), _days(a.mean_of_dead_d), f"{100 * a.survivors:.0f}",
                     f"{100 * a.cured:.0f}", *(f"{100 * c[k]:.0f}" for k in ("tumour", "weight", "kidneys"))))  # fmt: skip
    heads = ("arm", "MBq", "injections", "tumour Gy", "kidney Gy", "median d", "mean of dead d", "alive %", "cured %", "tumour %",
             "weight %", "kidneys %")  # fmt: skip
    tables = [
        Table(
            heads,
            tuple(rows),
            f"Over {s.case.study.pool} virtual animals per arm; the last three say what ended their part.",
        )
    ]
    if s.pairs:
        compared = tuple(
            (
                f"{x.second} against {x.first}",
                _p(x.group.p),
                _ratio(x.group),
                _ratio(x.pool),
                _days(x.growth_delay_d),
                *_needed(x),
            )
            for x in s.pairs
        )
        tables.append(Table(
            ("arms", "p, log-rank", "hazard ratio (95 %)", "of the pools", "growth delay d", "animals, simulated", "Schoenfeld"), compared,
            f"p and the first ratio are of one study of {s.case.study.animals_per_arm} animals a group. The last two columns: animals a group "
            f"for {100 * s.case.study.power:.0f} % power at {100 * s.case.study.alpha:g} % error, from {s.case.study.studies} simulated "
            "studies per size and from the formula, which holds for proportional hazards. apart: the groups do not overlap.",
        ))  # fmt: skip
    told = ("Thin lines: the study's own groups; thick lines: all virtual animals of the arm. Animals leave when the tumour, the loss of "
            "weight or the kidneys pass a humane endpoint.",)  # fmt: skip
    return Section("Survival", "Survival", told, tuple(tables), (_kaplan_meier(s),))


def _steps(end: Any, event: Any, last: float) -> tuple[list[float], list[float]]:
    from ..evidence.survival_curves import kaplan_meier

    if not event.any():
        return [0.0, last], [100.0, 100.0]
    km = kaplan_meier(end, event)
    x, y = [0.0], [100.0]
    for t, v in zip(km.times, km.survival, strict=True):
        x += [float(t), float(t)]
        y += [y[-1], 100.0 * float(v)]
    return [*x, last], [*y, y[-1]]


def _kaplan_meier(s: AnimalStudy) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for i, a in enumerate(s.arms):
        colour, dash = figures.CYCLE[i % len(figures.CYCLE)], _DASHES[i % len(_DASHES)]
        x, y = _steps(a.group.end_d, a.group.event, float(a.times_d[-1]))
        data.append({"type": "scatter", "mode": "lines", "name": a.name, "x": figures._f(x), "y": figures._f(y),
                     "line": {"color": colour, "dash": dash, "width": 2.6}, "hovertemplate": "%{x:.0f} d: %{y:.0f} %<extra>" + a.name + "</extra>"})  # fmt: skip
        x, y = _steps(a.group.end_d[a.members], a.group.event[a.members], float(a.times_d[-1]))
        data.append({"type": "scatter", "mode": "lines", "x": figures._f(x), "y": figures._f(y), "showlegend": False, "hoverinfo": "skip",
                     "line": {"color": colour, "width": 0.9}})  # fmt: skip
    return {
        "data": data,
        "layout": figures._layout(
            title={"text": "Survival", "x": 0.02, "xanchor": "left", "font": {"size": 14}},
            xaxis=figures._axis("time from the first injection (d)", rangemode="tozero"),
            yaxis=figures._axis("alive (%)", range=[0, 104]), legend={"x": 1.02, "xanchor": "left", "y": 1}, height=400,
        ),
    }  # fmt: skip


def _growth(s: AnimalStudy) -> Section:
    drawn, limit = [], 1000.0 * s.case.endpoints.tumour_volume
    for i, a in enumerate(s.arms):
        low, mid, high = (np.clip(v, 1.0, 100 * limit) for v in a.volume_band())
        drawn.append(
            _band(
                a.name,
                a.times_d,
                low,
                mid,
                high,
                figures.CYCLE[i % len(figures.CYCLE)],
                "tumour volume (mm^3)",
                log=True,
                line_at=limit,
            )
        )
    rows = tuple(
        (
            f"{1000 * x.mass_g:.0f}",
            _num(x.dose_Gy_per_MBq),
            f"{100 * x.electron_escape:.0f}",
            _days(x.median_d),
            _days(x.growth_delay_d),
            f"{100 * x.cured:.0f}",
        )
        for x in s.sizes
    )
    tables = []
    if rows:
        treated = next(n for n, a in s.case.arms.items() if a.activity > 0)
        tables.append(Table(("tumour mg", "Gy/MBq", "electron energy lost %", "median survival d", "growth delay d", "cured %"), rows,
                            f"Arm '{treated}' in tumours of other sizes; the delay is that of four times the volume at the start."))  # fmt: skip
    told = ("Median and 5 to 95 % of all virtual animals, followed to the end whether they would have been killed or not; the dashed line "
            "is the endpoint. Volumes below 1 mm^3 are drawn as 1.",)  # fmt: skip
    return Section("Growth", "Growth of the tumour", told, tuple(tables), tuple(drawn))


def _band(
    name: str, x: Any, low: Any, mid: Any, high: Any, colour: str, axis: str, *, log: bool, line_at: float
) -> dict[str, Any]:
    rgb = ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    yaxis = (
        figures._axis(axis, type="log", dtick=1, range=[-0.1, math.log10(3.3 * line_at)])
        if log
        else figures._axis(axis, range=[0, 110])
    )
    return {
        "data": [
            {"type": "scatter", "x": figures._f(x), "y": figures._f(low), "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False},
            {"type": "scatter", "x": figures._f(x), "y": figures._f(high), "mode": "lines", "line": {"width": 0}, "fill": "tonexty",
             "fillcolor": f"rgba({rgb},0.2)", "hoverinfo": "skip", "showlegend": False},
            {"type": "scatter", "x": figures._f(x), "y": figures._f(mid), "mode": "lines", "line": {"color": colour, "width": 2}, "showlegend": False,
             "hovertemplate": "%{x:.0f} d: %{y:.3g}<extra></extra>"},
        ],
        "layout": figures._layout(
            title={"text": name, "x": 0.02, "xanchor": "left", "font": {"size": 14}}, xaxis=figures._axis("time (d)", rangemode="tozero"), yaxis=yaxis,
            shapes=[{"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": line_at, "y1": line_at,
                     "line": {"color": figures.GREY, "dash": "dash", "width": 1.2}}], height=290,
        ),
    }  # fmt: skip


def _doses(s: AnimalStudy) -> Section:
    rows = tuple(
        (o.region, _num(o.mass_g), _num(o.tia_h), _num(o.alpha), _num(o.electron), _num(o.photon), _num(o.total), f"{100 * o.sd_of_mean:.0f}",
         f"{100 * o.between_animals:.0f}", f"{100 * o.electron_escape:.0f}", f"{100 * o.alpha_escape:.1f}", s.uptake.models[o.region])
        for o in s.arms[0].doses
    )  # fmt: skip
    heads = (
        "organ",
        "mass g",
        "MBq h/MBq",
        "alpha",
        "electrons",
        "photons",
        "Gy/MBq",
        "mean known to %",
        "CV %",
        "electrons lost %",
        "alphas lost %",
        "curve",
    )
    tables = [
        Table(heads, rows, "First arm. Lost: energy that leaves the organ through its surface and is counted nowhere.")
    ]
    drawn: list[dict[str, Any]] = []
    marker = s.case.endpoints.kidneys
    if marker is not None and s.arms[0].group.function is not None:
        tables.append(Table(("arm", "mean %", "median (5 to 95 %)"), tuple(_function_rows(s)),
                            f"{marker.marker} at {marker.marker_time / 24:g} d over that at the start."))  # fmt: skip
        for i, a in enumerate(s.arms):
            if a.group.function is not None and s.case.arms[a.name].activity > 0:
                low, mid, high = 100 * np.quantile(a.group.function, (0.05, 0.5, 0.95), axis=0)
                drawn.append(_band(f"Kidneys: {a.name}", a.times_d, low, mid, high, figures.CYCLE[i % len(figures.CYCLE)],
                                   "function (% of the start)", log=False, line_at=100 * marker.limit))  # fmt: skip
    return Section("Dose", "Dose and kidneys", (), tuple(tables), tuple(drawn))


def _published(s: AnimalStudy) -> Section:
    rows = tuple(
        (b.what, f"{_num(b.row.value)}{'' if b.row.sd is None else f' +- {_num(b.row.sd)}'} {b.unit}", f"{_num(b.ours)} {b.unit}",
         "set by it" if b.row.calibrated else f"{b.difference_percent:+.0f} %" if math.isfinite(b.difference_percent) else "-",
         b.row.source, f"{b.row.locator}{'; ' + b.row.note if b.row.note else ''}")
        for b in s.beside
    )  # fmt: skip
    told = (
        "What is marked 'set by it' calibrated a parameter and tests nothing; the others are predictions, hit or missed.",
    )
    tables = (
        [Table(("quantity", "published", "ours", "difference", "source", "place"), rows, words=True)] if rows else []
    )
    if s.known:
        known = tuple((k.title, str(k.year or "-"), k.captured, k.status, k.gap or "-") for k in s.known)
        tables.append(
            Table(("study in animals", "year", "what was captured", "read in", "not captured"), known,
                  f"Every animal study of {s.case.nuclide} in the evidence store.", words=True)
        )  # fmt: skip
    return Section("Published", "Beside published numbers", told if rows else (), tuple(tables))


def _man(s: AnimalStudy) -> Section:
    from ..cohort.animals import RULES
    from .plan import interval_figure

    published = _published_human(s)
    rows = _human_rows(s)
    table = Table(("organ", "rule", "5 %", "median", "95 %"), tuple((o, rule, *(_num(v) for v in values)) for o, rule, *values in rows),
                  "Gy/GBq of the reference adult male, self dose. The width within a rule is what the animals leave open; the rules differ by more.")  # fmt: skip
    rules = Table(("rule", "what it does", "source"), tuple((r.name, r.told, r.source) for r in RULES), words=True)
    drawn = []
    for organ in [
        o for o in dict.fromkeys(row[0] for row in rows) if o in ("kidneys", "liver", "spleen", "red_marrow")
    ]:
        shown = [(rule, low, mid, high) for o, rule, low, mid, high in rows if o == organ]
        shown += [(f"published, {source}", v, v, v) for v, source in published.get(organ, [])]
        drawn.append(interval_figure(f"{organ}: animal to man", "Gy/GBq", shown))
    known = tuple((o, _num(v), source) for o, values in published.items() for v, source in values)
    tables = [rules, table, *([Table(("organ", "published, Gy/GBq", "source"), known, words=True)] if known else [])]
    told = (
        "Animals predict man's organs within a factor of several: the spread between the rules is part of the answer."
    )
    gap = () if known else ("No human organ dose of this agent is in the catalogue to stand beside it.",)
    return Section("Man", "Translated to man", (told, *gap), tuple(tables), tuple(drawn))
