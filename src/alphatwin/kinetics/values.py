"""The two values of this room: `Kinetics` (activity against time) and `Decays` (its exact time integral)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import DomainError
from ..units import check_array

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DECAYS_PER_MBQ_H", "Decays", "Kinetics", "integrate"]

DECAYS_PER_MBQ_H = 3.6e9


@dataclass(frozen=True, eq=False)
class Kinetics:
    """Activity of every nuclide in every region, as sums of exponentials, one curve per sample.

    Attributes
    ----------
    amplitude : DataArray[sample, region, nuclide, term]
        MBq. ``A(t) = sum_term amplitude exp(-rate t)``; a term may be negative, the curve may not.
    rate : DataArray[sample, term]
        Effective rates in 1/h, above zero; one list of terms serves all regions and nuclides.
    excreted : DataArray[sample, nuclide], optional
        Time-integrated activity outside the body of daughters that were freed and excreted, MBq h.
    notes : tuple of str
        How it was made, for the report.
    """

    amplitude: xr.DataArray
    rate: xr.DataArray
    excreted: xr.DataArray | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array(self.amplitude, ("sample", "region", "nuclide", "term"), "MBq", "Kinetics.amplitude")
        check_array(self.rate, ("sample", "term"), "1/h", "Kinetics.rate")
        for dim in ("sample", "term"):
            if self.amplitude.sizes[dim] != self.rate.sizes[dim]:
                raise DomainError(
                    f"Kinetics has {self.amplitude.sizes[dim]} {dim}s of amplitude and {self.rate.sizes[dim]} of rate."
                )
        for dim in ("region", "nuclide"):
            names = self.amplitude.coords.get(dim)
            if names is None or len(set(names.values.tolist())) != self.amplitude.sizes[dim]:
                raise DomainError(f"Kinetics.amplitude needs one name for each {dim}, all different.")
        if not bool((self.rate.values > 0).all()):
            raise DomainError("Kinetics has a rate that is not above zero: that activity would never clear.")
        if self.excreted is not None:
            check_array(self.excreted, ("sample", "nuclide"), "MBq h", "Kinetics.excreted")

    @classmethod
    def from_arrays(
        cls,
        amplitude_MBq: npt.NDArray[np.float64],
        rate_per_h: npt.NDArray[np.float64],
        *,
        regions: tuple[str, ...],
        nuclides: tuple[str, ...],
        excreted_MBq_h: npt.NDArray[np.float64] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Kinetics:
        """From plain arrays: amplitude ``[sample, region, nuclide, term]``, MBq, and rate ``[sample, term]``, 1/h."""
        import xarray as xr

        names = {"region": list(regions), "nuclide": list(nuclides)}
        long = "activity amplitude of each exponential term"
        amplitude = xr.DataArray(
            amplitude_MBq,
            dims=("sample", "region", "nuclide", "term"),
            coords=names,
            attrs={"units": "MBq", "long_name": long},
        )
        attrs = {"units": "1/h", "long_name": "effective rate of each exponential term"}
        rate = xr.DataArray(rate_per_h, dims=("sample", "term"), attrs=attrs)
        excreted = None
        if excreted_MBq_h is not None:
            attrs = {"units": "MBq h", "long_name": "time-integrated activity of excreted free daughters"}
            excreted = xr.DataArray(
                excreted_MBq_h, dims=("sample", "nuclide"), coords={"nuclide": list(nuclides)}, attrs=attrs
            )
        return cls(amplitude, rate, excreted, notes)

    @property
    def regions(self) -> tuple[str, ...]:
        """Region names, in order."""
        return tuple(str(name) for name in self.amplitude.coords["region"].values)

    @property
    def nuclides(self) -> tuple[str, ...]:
        """Nuclide names, parent first."""
        return tuple(str(name) for name in self.amplitude.coords["nuclide"].values)

    def activity(self, times_h: npt.ArrayLike) -> xr.DataArray:
        """Activity at times after the administration.

        Parameters
        ----------
        times_h : array[time]
            Hours, not negative.

        Returns
        -------
        DataArray[sample, region, nuclide, time]
            MBq.

        Raises
        ------
        DomainError
            A time before the administration.
        """
        import xarray as xr

        t = np.atleast_1d(np.asarray(times_h, dtype=float))
        if t.ndim != 1 or not bool((t >= 0).all()):
            raise DomainError("times_h must be a list of hours after the administration, none of them negative.")
        n, region, nuclide, term = self.amplitude.shape
        decay = np.exp(-self.rate.values[:, :, None] * t)
        values = np.matmul(self.amplitude.values.reshape(n, region * nuclide, term), decay)
        return xr.DataArray(
            values.reshape(n, region, nuclide, len(t)),
            dims=("sample", "region", "nuclide", "time"),
            coords={
                "region": self.amplitude.coords["region"],
                "nuclide": self.amplitude.coords["nuclide"],
                "time": ("time", t, {"units": "h"}),
            },
            attrs={"units": "MBq", "long_name": "activity"},
        )

    def shared_out(self, region: str, shares: Mapping[str, float]) -> Kinetics:
        """The activity of one region handed to others: `shares` sum to at most 1, what is left stays.

        Raises
        ------
        DomainError
            An unknown region, a negative share, or more than all of it.
        """
        unknown = [name for name in (region, *shares) if name not in self.regions]
        total = sum(shares.values())
        if unknown or region in shares or min(shares.values(), default=0.0) < 0 or total > 1 + 1e-12:
            raise DomainError(
                f"Sharing out {region} by {dict(shares)}: regions must be among {', '.join(self.regions)}, other than {region}, "
                "and shares at least 0 and together at most 1."
            )
        amplitude = self.amplitude.copy()
        source = self.amplitude.sel(region=region).values
        for name, share in shares.items():
            amplitude.loc[{"region": name}] = amplitude.sel(region=name).values + share * source
        amplitude.loc[{"region": region}] = max(1.0 - total, 0.0) * source
        if total > 1 - 1e-12:
            amplitude = amplitude.sel(region=[name for name in self.regions if name != region])
        return replace(self, amplitude=amplitude)

    def scaled(self, factor: float | npt.NDArray[np.float64]) -> Kinetics:
        """The same biodistribution for `factor` times the activity (a number, or one per sample)."""
        f = np.asarray(factor, dtype=float)
        if not (np.isfinite(f).all() and (f >= 0).all()):
            raise DomainError("The factor of an activity must be a number, not below zero.")
        amplitude = self.amplitude.copy(data=self.amplitude.values * f.reshape(-1, 1, 1, 1))
        excreted = None if self.excreted is None else self.excreted.copy(data=self.excreted.values * f.reshape(-1, 1))
        return replace(self, amplitude=amplitude, excreted=excreted)


@dataclass(frozen=True, eq=False)
class Decays:
    """Number of decays of every nuclide in every region (time-integrated activity of MIRD 21).

    Attributes
    ----------
    decays : DataArray[sample, region, nuclide]
        A number, unit "1"; 1 MBq h is 3.6e9 decays.
    duration_h : float
        Integrated from 0 to here; infinity for all.
    notes : tuple of str
    """

    decays: xr.DataArray
    duration_h: float = math.inf
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array(self.decays, ("sample", "region", "nuclide"), "1", "Decays.decays")

    @property
    def time_integrated_activity_MBq_h(self) -> xr.DataArray:
        """The same as DataArray[sample, region, nuclide] in MBq h."""
        attrs = {"units": "MBq h", "long_name": "time-integrated activity"}
        return self.decays.copy(data=self.decays.values / DECAYS_PER_MBQ_H).assign_attrs(attrs)


def integrate(kinetics: Kinetics, duration_h: float = math.inf) -> Decays:
    """Decays from the administration to `duration_h`, in closed form: ``sum a (1 - exp(-r T)) / r``.

    Parameters
    ----------
    kinetics : Kinetics
    duration_h : float
        Hours; infinity for all decays.

    Returns
    -------
    Decays

    Raises
    ------
    DomainError
        A negative duration.

    Examples
    --------
    >>> a, r = np.full((1, 1, 1, 1), 10.0), np.full((1, 1), 0.1)
    >>> k = Kinetics.from_arrays(a, r, regions=("liver",), nuclides=("Lu-177",))
    >>> float(integrate(k).decays.item()) == 100 * 3.6e9
    True
    """
    import xarray as xr

    if not duration_h >= 0:
        raise DomainError(f"duration_h is {duration_h!r}; it must not be negative.")
    rate = kinetics.rate.values
    weight = (1.0 if math.isinf(duration_h) else -np.expm1(-rate * duration_h)) / rate
    amplitude = kinetics.amplitude
    n, region, nuclide, term = amplitude.shape
    total = np.matmul(amplitude.values.reshape(n, region * nuclide, term), weight[:, :, None])
    decays = xr.DataArray(
        total.reshape(n, region, nuclide) * DECAYS_PER_MBQ_H,
        dims=("sample", "region", "nuclide"),
        coords={"region": amplitude.coords["region"], "nuclide": amplitude.coords["nuclide"]},
        attrs={"units": "1", "long_name": "number of decays"},
    )
    return Decays(decays, duration_h, kinetics.notes)
