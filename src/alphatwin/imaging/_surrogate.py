"""Images of one nuclide, dose of another: biology kept, physical decay exchanged, chain added, what is beyond the images said.

With the decay constants of the imaged and of the therapy nuclide, every phase of a curve changes by::

    r' = r - lambda_imaged + lambda_therapy,    a' = a x (A_therapy / A_imaged) x uptake ratio

(`kinetics.Curve.translate`); the daughters of the therapy nuclide follow from `kinetics.daughters.chain_kinetics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..catalog.imaging import UptakeRatio, uptake_ratio
from ..draws import Draws
from ..errors import ImageError
from ..kinetics.curves import Curve
from ..physics.nuclides import nuclide as nuclide_of
from ._calibration import _above_zero
from ._uncertainty import CurveSamples

__all__ = ["Surrogate", "UptakeRatio", "uptake_ratio"]

LARGEST_EXTRAPOLATED = 0.5


@dataclass(frozen=True)
class Surrogate:
    """How curves of an imaging nuclide become curves of a therapy nuclide.

    Attributes
    ----------
    imaged, therapy : str
        Nuclides.
    imaged_MBq, therapy_MBq : float
        Activities administered: of the image, and of the therapy that is asked about.
    largest_extrapolated : float
        Share of the therapy nuclide's time-integrated activity that may lie after the last image.
    allow_extrapolation : bool
        Take more, with a note.

    Examples
    --------
    >>> lead = Surrogate("Pb-203", "Pb-212", imaged_MBq=200, therapy_MBq=100)
    >>> curve = Curve.from_terms([20.0], [0.03], nuclide="Pb-203")
    >>> moved = lead.transfer(curve, last_image_h=48)
    >>> round(moved.effective_half_life_h, 2), round(lead.extrapolated(moved, 48), 4)
    (8.48, 0.0197)
    """

    imaged: str
    therapy: str
    imaged_MBq: float
    therapy_MBq: float
    largest_extrapolated: float = LARGEST_EXTRAPOLATED
    allow_extrapolation: bool = False

    def __post_init__(self) -> None:
        for name in ("imaged", "therapy"):
            object.__setattr__(self, name, nuclide_of(getattr(self, name)).name)
        _above_zero(self.imaged_MBq, "imaged_MBq", "MBq")
        _above_zero(self.therapy_MBq, "therapy_MBq", "MBq")
        if not 0 < self.largest_extrapolated <= 1:
            raise ImageError(f"largest_extrapolated is {self.largest_extrapolated!r}; it is a share between 0 and 1.")

    def transfer(
        self,
        curve: Curve,
        *,
        last_image_h: float | None = None,
        ratio: UptakeRatio | None = None,
        region: str = "region",
    ) -> Curve:
        """A curve of the therapy nuclide from one of the imaged nuclide.

        Parameters
        ----------
        curve : Curve
            Fitted to the images, effective rates of the imaged nuclide.
        last_image_h : float, optional
            Time of the last image; that of the last point of the curve without it.
        ratio : UptakeRatio, optional
            Uptake with the therapy ligand over that with the imaged one.
        region : str
            For messages.

        Returns
        -------
        Curve
            Its notes say what share of the integral lies after the last image.

        Raises
        ------
        ImageError
            A curve of another nuclide, no time of the last image, or too large a share after it.
        """
        if nuclide_of(curve.nuclide).name != self.imaged:
            raise ImageError(
                f"{region}: the curve is of {curve.nuclide}; this surrogate translates {self.imaged} to {self.therapy}."
            )
        last = last_image_h
        if last is None:
            if not curve.n_points:
                raise ImageError(f"{region}: the curve has no points; supply last_image_h, the time of the last image.")
            last = float(curve.times_h[-1])
        factor = self.therapy_MBq / self.imaged_MBq * (1.0 if ratio is None else ratio.value)
        moved = curve.translate(self.therapy, factor)
        share = self.extrapolated(moved, last)
        told = (
            f"{region}: {share:.0%} of the time-integrated activity of {self.therapy} lies after the last image of "
            f"{self.imaged} ({last:.3g} h)"
        )
        if share > self.largest_extrapolated:
            if not self.allow_extrapolation:
                raise ImageError(
                    f"{told}, where nothing was seen; at most {self.largest_extrapolated:.0%} is taken. Use a later image, a surrogate "
                    "that lives longer, or allow_extrapolation=True."
                )
            told += ", more than is taken unasked: it rests on the model of the curve"
        notes = [told + "."]
        if ratio is not None:
            notes.append(f"{region}: uptake times {ratio.value:g} ({ratio.source}, {ratio.locator}).")
            if not ratio.verified:
                notes.append(f"{region}: that uptake ratio is not verified.")
        else:
            notes.append(f"{region}: the same uptake of both ligands is assumed.")
        return replace(moved, notes=(*moved.notes, *notes))

    def transfer_samples(
        self, curves: CurveSamples, *, draws: Draws, last_image_h: float | None = None, ratio: UptakeRatio | None = None
    ) -> CurveSamples:
        """The same for every sample; an uptake ratio with an uncertainty is drawn lognormal, score "uptake ratio NAME"."""
        curve = self.transfer(curves.curve, last_image_h=last_image_h, ratio=ratio, region=curves.region)
        shift = nuclide_of(self.therapy).decay_constant_per_h - nuclide_of(self.imaged).decay_constant_per_h
        rates = curves.rates_per_h + shift
        if (rates <= 0).any():
            raise ImageError(
                f"{curves.region}: in {int((rates <= 0).any(axis=1).sum())} samples a phase would grow with {self.therapy}: it "
                f"cleared slower than {self.imaged} decays."
            )
        factor = np.full(draws.n, self.therapy_MBq / self.imaged_MBq)
        spread = 0.0
        if ratio is not None:
            spread = (ratio.u or 0.0) / ratio.value
            factor = factor * ratio.at_score(draws.normal(f"uptake ratio {curves.region}"))
        old = dict(curves.budget)
        budget = {**old, "fit": curve.sd / curve.time_integrated_activity_MBq_h, "uptake ratio": spread}
        sd = math.sqrt(sum(part**2 for part in budget.values())) * curve.time_integrated_activity_MBq_h
        return replace(curves, curve=curve, amplitudes_MBq=curves.amplitudes_MBq * factor[:, None], rates_per_h=rates, sd=sd,
                       budget=budget, notes=(*curves.notes, *curve.notes))  # fmt: skip

    def extrapolated(self, curve: Curve, last_image_h: float) -> float:
        """Share of a curve's time-integrated activity after a time: ``sum a/r exp(-r t) / sum a/r``."""
        a, r = curve.exponentials()
        return float(np.sum(a / r * np.exp(-r * last_image_h)) / np.sum(a / r))
