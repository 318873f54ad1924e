"""A fitted population as lines for a terminal, JSON, CSV and Parquet."""

from __future__ import annotations

import json
import pathlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case.fit import FitSpec
from ..errors import AlphatwinError
from ..kinetics.population import Estimate, PopulationFit
from .files import write_folder
from .model import DISCLAIMER, Provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitReport"]

WIDTH = 80
_ROWS = 12
_LABELS = {
    "amplitude_percent": "amplitude, %",
    "half_life_h": "half-life, h",
    "uptake_half_life_h": "uptake half-life, h",
    "fast_half_life_h": "half-life of fast phase, h",
    "fast_share": "share of fast phase",
    "proportional": "proportional error",
    "additive_percent": "additive error, %",
}


@dataclass(frozen=True, eq=False)
class FitReport:
    """Fits of all regions, and patients estimated from them; made by `alphatwin.run.fit.run_fit`.

    Attributes
    ----------
    spec : FitSpec
    fits : dict of str to PopulationFit
    estimates : dict of str to dict of str to Estimate
        By region and patient.
    provenance : Provenance
    """

    spec: FitSpec
    fits: dict[str, PopulationFit]
    estimates: dict[str, dict[str, Estimate]]
    provenance: Provenance

    def patients(self) -> pd.DataFrame:
        """One row per region and patient: median and interval of the time-integrated activity."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        tail = (1 - self.spec.level) / 2
        for region, fit in self.fits.items():
            for j, label in enumerate(fit.labels):
                low, middle, high = np.quantile(fit.time_integrated_activity_MBq_h(label), [tail, 0.5, 1 - tail])
                points = int((fit.data.curve == j).sum())
                rows.append({"region": region, "patient": label, "points": points, "in_fit": True, "administered_MBq": float(fit.data.activity_MBq[j]),
                             "tia_MBq_h": middle, "low_MBq_h": low, "high_MBq_h": high})  # fmt: skip
            for label, e in self.estimates.get(region, {}).items():
                rows.append({"region": region, "patient": label, "points": -1, "in_fit": False, "administered_MBq": e.activity_MBq,
                             "tia_MBq_h": e.time_integrated_activity_MBq_h, "low_MBq_h": e.low, "high_MBq_h": e.high})  # fmt: skip
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """The content of fit.json."""
        p = self.provenance
        return {
            "fit": self.spec.fit,
            "title": self.spec.title,
            "nuclide": self.spec.nuclide,
            "model": self.spec.model,
            "level": self.spec.level,
            "regions": {
                region: {
                    "converged": fit.converged,
                    "problems": list(fit.problems),
                    "divergences": fit.divergences,
                    "patients": len(fit.labels),
                    "points": len(fit.data.time_h),
                    "censored": int(fit.data.censored.sum()),
                    "population": fit.summary(self.spec.level),
                }
                for region, fit in self.fits.items()
            },
            "provenance": {
                "software": p.software, "code_sha256": p.code_sha256, "spec_sha256": p.case_sha256, "catalog_sha256": p.catalog_sha256,
                "seed": p.seed, "samples": p.samples, "python": p.python, "libraries": dict(p.libraries), "options": list(p.options),
                "sources": list(p.sources),
            },
            "disclaimer": DISCLAIMER,
        }  # fmt: skip

    def text(self) -> str:
        """Lines of at most 80 columns."""
        return "\n".join(_lines(self))

    def write(self, parent: str | pathlib.Path = ".") -> pathlib.Path:
        """Write fit.json, patients.csv and draws.parquet (draws of the population) into a folder named after the fit.

        Raises
        ------
        OutputError
            The folder cannot be made or written to.
        AlphatwinError
            pyarrow is not installed.
        """
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise AlphatwinError("Parquet files need pyarrow: pip install 'alphatwin[cohort]'.") from error
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return write_folder(
            self.spec.fit,
            pathlib.Path(parent),
            {
                "fit.json": lambda file: file.write_text(text, encoding="utf-8"),
                "patients.csv": lambda file: self.patients().to_csv(file, index=False, lineterminator="\n"),
                "draws.parquet": lambda file: self.draws().to_parquet(file, index=False),
            },
        )

    def draws(self) -> pd.DataFrame:
        """Draws of the population's values, one row per region, chain and draw."""
        import pandas as pd

        made = []
        for region, fit in self.fits.items():
            chains, kept = fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
            columns: dict[str, Any] = {
                "region": [region] * (chains * kept),
                "chain": np.repeat(np.arange(chains), kept),
                "draw": np.tile(np.arange(kept), chains),
            }
            for name in ("population", "spread"):
                columns |= {f"{name}.{p}": fit.flat(name)[:, j] for j, p in enumerate(fit.parameters)}
            columns |= {name: fit.flat(name) for name in ("proportional", "additive_percent")}
            made.append(pd.DataFrame(columns))
        return pd.concat(made, ignore_index=True)


def _lines(r: FitReport) -> Iterator[str]:
    yield from textwrap.wrap(r.spec.title or r.spec.fit, WIDTH)
    share = f"{100 * r.spec.level:g} %"
    yield f"{r.spec.nuclide}, model {r.spec.model}; intervals hold {share}"
    for region, fit in r.fits.items():
        yield ""
        below = int(fit.data.censored.sum())
        yield f"{region}: {len(fit.labels)} curves, {len(fit.data.time_h)} points" + (
            f", {below} below the limit" if below else ""
        )
        yield f"  {'population':31s}{'median':>9s}{share:>20s}{'R-hat':>8s}{'draws':>8s}"
        for name, s in fit.summary(r.spec.level).items():
            of = name.removeprefix("spread of ")
            shown = _LABELS[of] if of == name else f"spread of {_LABELS[of].split(',')[0]}"
            yield f"  {shown:31s}{s['median']:9.3g}{_span(s['low'], s['high']):>20s}{s['r_hat']:8.3f}{s['ess']:8.0f}"
        yield from _verdict(fit)
        yield from _patients(r, region)
    yield ""
    yield from textwrap.wrap(
        "Half-lives are biological: physical decay comes on top. Spreads are sd of logarithms between patients. "
        + DISCLAIMER,
        WIDTH,
    )


def _verdict(fit: PopulationFit) -> Iterator[str]:
    total = fit.posterior.sizes["chain"] * fit.posterior.sizes["draw"]
    if fit.converged:
        yield f"  converged; {fit.divergences} of {total} transitions diverged"
        return
    yield from textwrap.wrap(
        f"NOT CONVERGED, do not use: {'; '.join(fit.problems)}.", WIDTH, initial_indent="  ", subsequent_indent="  "
    )


def _patients(r: FitReport, region: str) -> Iterator[str]:
    table = r.patients()
    table = table[table["region"] == region]
    yield f"  {'patient':31s}{'MBq h':>9s}{f'{100 * r.spec.level:g} %':>20s}{'h':>8s}"
    for new, group in table.groupby("in_fit", sort=True):
        for _, row in group.head(_ROWS).iterrows():
            mark = "" if new else " (few points)"
            share = row["tia_MBq_h"] / row["administered_MBq"]
            yield f"  {row['patient'] + mark:31s}{_plain(row['tia_MBq_h']):>9s}{_span(row['low_MBq_h'], row['high_MBq_h'], 4):>20s}{share:8.3f}"
        if len(group) > _ROWS:
            yield f"  ... and {len(group) - _ROWS} more in patients.csv"


def _span(low: float, high: float, digits: int = 3) -> str:
    return f"{_plain(low, digits)} to {_plain(high, digits)}"


def _plain(value: float, digits: int = 4) -> str:
    """A number without an exponent where it can be read so."""
    return f"{value:.0f}" if 10**digits <= value < 1e8 else f"{value:.{digits}g}"
