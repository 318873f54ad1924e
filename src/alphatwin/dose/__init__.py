"""Absorbed dose: the one MIRD equation that serves organ, voxel and cell.

    D(r_T) = sum over r_S, nuclide, radiation of  Ã(r_S, nuclide) · S(r_T <- r_S, nuclide, radiation)

Ã is a number of decays, S is in Gy per decay (MIRD Pamphlet 21, Bolch et al., J Nucl Med 2009;50:477). Nuclide and
radiation stay dimensions of the result: no weight of any kind is applied here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..errors import DomainError, missing
from ..physics import RADIATIONS
from ..units import check_array

if TYPE_CHECKING:
    from ..kinetics import Decays
    from ..transport import SValues

__all__ = ["Dose", "absorbed_dose", "dose_rate_terms", "with_union"]


@dataclass(frozen=True)
class Dose:
    """Absorbed dose D(r_T, T_D): dose[sample, region, nuclide, radiation] in Gy, unweighted."""

    dose: xr.DataArray
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array(self.dose, ("sample", "region", "nuclide", "radiation"), "Gy", "absorbed dose")
        if tuple(self.dose["radiation"].values) != RADIATIONS:
            raise DomainError(
                f"absorbed dose carries the radiations {tuple(self.dose['radiation'].values)}; expected {RADIATIONS}."
            )

    @property
    def by_radiation(self) -> xr.DataArray:
        """Absorbed dose [sample, region, radiation] in Gy."""
        return self.dose.sum("nuclide", keep_attrs=True)

    @property
    def total(self) -> xr.DataArray:
        """Absorbed dose [sample, region] in Gy: unweighted, so it says little of an effect when alphas take part."""
        return self.dose.sum(("nuclide", "radiation"), keep_attrs=True)

    def scaled(self, factor: float) -> Dose:
        """The dose of `factor` times the activity; the original is unchanged."""
        return replace(self, dose=(self.dose * factor).assign_attrs(self.dose.attrs))


def _aligned(decays: Decays, s_values: SValues) -> tuple[np.ndarray, np.ndarray]:
    a, s = decays.decays, s_values.s
    for dim, theirs, kind in (("region", "source", "source region"), ("nuclide", "nuclide", "nuclide")):
        lacking = [str(v) for v in s[theirs].values if v not in a[dim].values]
        if lacking:
            raise missing(kind, lacking[0], [str(v) for v in a[dim].values])
    a = a.sel(region=s["source"].values, nuclide=s["nuclide"].values)
    n = max(a.sizes["sample"], s.sizes["sample"])
    for name, array in (("decays", a), ("S values", s)):
        if array.sizes["sample"] not in (1, n):
            raise DomainError(f"{name} have {array.sizes['sample']} samples where 1 or {n} are needed.")
    return a.values, s.values


def absorbed_dose(decays: Decays, s_values: SValues) -> Dose:
    """Absorbed dose of every target region, by nuclide and radiation.

    Parameters
    ----------
    decays : Decays
        decays[sample, region, nuclide], numbers.
    s_values : SValues
        s[sample, target, source, nuclide, radiation] in Gy per decay; its sources and nuclides must be among the
        regions and nuclides of `decays`.

    Returns
    -------
    Dose
        dose[sample, region, nuclide, radiation] in Gy; regions are the targets of `s_values`.

    Raises
    ------
    CatalogError
        A source region or nuclide of the S values has no decays.
    DomainError
        The sample axes do not match.

    Notes
    -----
    MIRD Pamphlet 21. Decays in regions that are no source of `s_values` give no dose; the caller names them.
    """
    a, s = _aligned(decays, s_values)
    dose = _mird(a, s)
    coords = {
        "sample": np.arange(dose.shape[0]),
        "region": s_values.s["target"].values,
        "nuclide": s_values.s["nuclide"].values,
        "radiation": list(RADIATIONS),
    }
    array = xr.DataArray(
        dose,
        dims=("sample", "region", "nuclide", "radiation"),
        coords=coords,
        attrs={"units": "Gy", "long_name": "absorbed dose"},
    )
    return Dose(array, notes=(s_values.note,) if s_values.note else ())


def _mird(a: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Sum over sources of a[sample, source, nuclide] s[sample, target, source, nuclide, radiation]."""
    n = max(a.shape[0], s.shape[0])
    out = np.zeros((n, s.shape[1], s.shape[3], s.shape[4]))
    for target in range(s.shape[1]):
        for source in range(s.shape[2]):
            if s[:, target, source].any():  # spheres only: nearly every pair is zero
                out[:, target] += a[:, source, :, None] * s[:, target, source]
    return out


def with_union(s_values: SValues, name: str, parts: Sequence[str]) -> SValues:
    """S values with one more target, put first: the union of `parts`, as ``kidneys`` of the left and the right one.

    The dose to a union is the mass-weighted mean: S(union <- r_S) = sum over parts of (m_p / m_union) S(p <- r_S).
    """
    s, mass = s_values.s, s_values.mass_g
    unknown = [p for p in parts if p not in s["target"].values]
    if unknown:
        raise missing("region", unknown[0], [str(v) for v in s["target"].values])
    share = mass.sel(region=list(parts)).values
    total = share.sum(axis=1, keepdims=True)
    weights = xr.DataArray(share / total, dims=("sample", "target"), coords={"target": list(parts)})
    union = (s.sel(target=list(parts)) * weights).sum("target").expand_dims(target=[name]).transpose(*s.dims)
    bigger = xr.concat([union, s], dim="target").assign_attrs(s.attrs)
    coords: dict[str, object] = {"region": [name]}
    if "sample" in mass.coords:
        coords["sample"] = mass["sample"]
    for label in ("medium", "basis"):
        if label in mass.coords:
            coords[label] = (
                "region",
                [" + ".join(dict.fromkeys(str(v) for v in mass[label].sel(region=list(parts)).values))],
            )
    row = xr.DataArray(total, dims=("sample", "region"), coords=coords)
    masses = xr.concat([row, mass], dim="region").assign_attrs(mass.attrs)
    return replace(s_values, s=bigger, mass_g=masses, unions={**s_values.unions, name: tuple(parts)})


def dose_rate_terms(amplitude: xr.DataArray, s_values: SValues, radiations: Sequence[str]) -> xr.DataArray:
    """Dose rate of each target as a sum of exponentials: terms[sample, region, term] in Gy/h, for chosen radiations.

    Ḋ(r_T, t) = sum over term of terms · exp(-rate t), with terms = sum over r_S, nuclide, radiation of
    amplitude[MBq] · 3.6e9 decays/(MBq h) · S. The rates are those of the kinetics.
    """
    s = s_values.s.sel(radiation=list(radiations)).sum("radiation").values
    a = amplitude.sel(region=s_values.s["source"].values, nuclide=s_values.s["nuclide"].values).values * 3.6e9
    n = max(a.shape[0], s.shape[0])
    out = np.zeros((n, s.shape[1], a.shape[3]))
    for target in range(s.shape[1]):
        for source in range(s.shape[2]):
            if s[:, target, source].any():
                out[:, target] += np.einsum(
                    "nuk,nu->nk",
                    np.broadcast_to(a[:, source], (n, *a.shape[2:])),
                    np.broadcast_to(s[:, target, source], (n, s.shape[3])),
                )
    return xr.DataArray(
        out,
        dims=("sample", "region", "term"),
        coords={"region": s_values.s["target"].values},
        attrs={"units": "Gy/h", "long_name": "dose-rate amplitude"},
    )
