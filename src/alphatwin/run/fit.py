"""A fit as a file asks for it: the table read, every region fitted, patients with few points estimated."""

from __future__ import annotations

import hashlib
import pathlib
import platform
from collections.abc import Callable
from typing import Any

from .. import __version__, catalog
from .._jit import source_sha256
from ..case.fit import FitSpec
from ..errors import FitError
from ..kinetics._population_model import curves_of
from ..kinetics.nonmem import Dataset, read_nonmem
from ..kinetics.population import Estimate, PopulationFit, Prior, fit_population, single_time_point
from ..physics import nuclide as nuclide_of
from ..report import Provenance
from ..report.fit import FitReport

__all__ = ["run_fit"]

_LIBRARIES = ("numpy", "scipy", "numpyro", "jax", "pandas", "xarray")
_SOURCES = ("beal2001", "betancourt2013", "devasia2021", "hoffman2014", "lewandowski2009", "vehtari2021")


def run_fit(spec: FitSpec, folder: pathlib.Path, *, progress: Callable[[str], None] | None = None) -> FitReport:
    """Fit what a spec asks for.

    Parameters
    ----------
    spec : FitSpec
    folder : Path
        Where its tables lie.
    progress : callable, optional

    Raises
    ------
    CatalogError
        An unknown nuclide.
    FitError
        A table that cannot be used, a region without measurements, estimates from chains that have not converged.
    """
    tell = progress or (lambda text: None)
    nuclide = nuclide_of(spec.nuclide).name
    data = read_nonmem(folder / spec.data, decay_corrected=spec.decay_corrected)
    new = read_nonmem(folder / spec.new_patients, decay_corrected=spec.decay_corrected) if spec.new_patients else None
    for key, name in spec.regions.items():
        if key not in data.regions:
            there = ", ".join(map(str, data.regions)) or "none"
            raise FitError(f"{data.name} has no measurement with DVID {key} ({name}); there is {there}.")
    unnamed = [k for k in data.regions if k not in spec.regions]
    if unnamed:
        raise FitError(
            f"{data.name} has measurements with DVID {unnamed[0]}, which regions does not name; add it: regions: {{{unnamed[0]}: NAME}}."
        )
    given = {k: v for k, v in spec.prior.model_dump().items() if v is not None}
    usual = Prior()
    medians: dict[str, Any] = {k: (v, getattr(usual, k)[1]) for k, v in given.items()}
    prior = Prior(**medians)
    sampling = spec.sampling
    fits: dict[str, PopulationFit] = {}
    estimates: dict[str, dict[str, Estimate]] = {}
    for key, name in spec.regions.items():

        def stage(text: str, name: str = name) -> None:
            tell(f"{name}: {text} (the first of its shape compiles: ten seconds)")

        fits[name] = fit_population(
            data, nuclide=nuclide, model=spec.model, region=key, prior=prior, seed=sampling.seed, warmup=sampling.warmup, draws=sampling.draws,
            chains=sampling.chains, progress=stage,
        )  # fmt: skip
        if new is not None and key in new.regions:
            estimates[name] = _estimated(fits[name], new, nuclide, key, spec)
    return FitReport(spec, fits, estimates, _provenance(spec, data, new))


def _estimated(fit: PopulationFit, new: Dataset, nuclide: str, key: int, spec: FitSpec) -> dict[str, Estimate]:
    made = {}
    for label in curves_of(new, nuclide, key).labels:
        one = curves_of(new, nuclide, key).of(label)
        given = float(one.activity_MBq[0])
        try:
            made[label] = single_time_point(
                fit,
                one.time_h,
                one.percent * given / 100.0,
                given,
                censored=one.censored,
                level=spec.level,
                seed=spec.sampling.seed,
            )
        except FitError as error:
            raise FitError(f"{new.name}, patient {label}: {error}") from None
    return made


def _provenance(spec: FitSpec, data: Dataset, new: Dataset | None) -> Provenance:
    from importlib.metadata import version

    hashes = [f"{d.name}: sha256 {hashlib.sha256(d.csv().encode()).hexdigest()}" for d in (data, new) if d is not None]
    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=spec.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=spec.sampling.seed,
        samples=spec.sampling.draws * spec.sampling.chains,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        options=(f"spec: {spec!r}", *hashes),
        sources=_SOURCES,
    )
