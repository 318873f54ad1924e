"""The value `Curve`: a sum of exponentials with its uncertainty, or a trapezoid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, FitError
from ._decay import decay_constant_per_h
from ._exponentials import Array, Form, integral
from ._tabulated import Trapezoid

__all__ = ["SLOWEST_ALLOWED", "Curve", "blend", "frozen", "sd_of_integral"]

SLOWEST_ALLOWED = 1e-3  # of the decay constant, when slower than decay is asked for


def frozen(values: npt.ArrayLike) -> Array:
    array = np.array(values, dtype=float)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Curve:
    """A time-activity curve of one region and one nuclide, and how well it is known.

    Attributes
    ----------
    model : str
        The model that made it; after ``model="auto"`` the one that was chosen.
    nuclide : str
    amplitudes_MBq, rates_per_h : ndarray[term]
        ``A(t) = sum_i a_i exp(-r_i t)``, effective rates. Empty for the trapezoid.
    parameter_names : tuple of str
        The fitted parameters: free amplitudes, the slowest rate, then the steps from rate to rate.
    parameters : ndarray[parameter]
    covariance : ndarray[parameter, parameter]
        Of `parameters`; NaN when the points cannot give one. Parameters held at a bound have zero rows.
    sd : float
        Standard uncertainty (k = 1) of the time-integrated activity, MBq h; NaN when unknown.
    chi2, aicc, r_squared : float
    weights : ndarray[point]
        Weight of each squared residual in the fit, 1/MBq^2 (up to a factor when no sd was given).
    residuals : ndarray[point]
        Measured minus fitted, MBq.
    model_weights : mapping
        Akaike weight by model name, for the models that were compared.
    members : tuple of Curve
        The curves that an averaged curve is made of, in the order of `model_weights`.
    notes : tuple of str
        What a reader must know: sentences for the report.
    sources : tuple of str
        Bibliography keys of the methods that were used.
    """

    model: str
    nuclide: str
    decay_constant_per_h: float
    amplitudes_MBq: Array
    rates_per_h: Array
    parameter_names: tuple[str, ...] = ()
    parameters: Array = field(default_factory=lambda: frozen([]))
    covariance: Array = field(default_factory=lambda: frozen(np.zeros((0, 0))))
    held: tuple[bool, ...] = ()
    sd: float = math.nan
    times_h: Array = field(default_factory=lambda: frozen([]))
    measured_MBq: Array = field(default_factory=lambda: frozen([]))
    residuals: Array = field(default_factory=lambda: frozen([]))
    weights: Array = field(default_factory=lambda: frozen([]))
    chi2: float = math.nan
    aicc: float = math.nan
    r_squared: float = math.nan
    model_weights: Mapping[str, float] = field(default_factory=dict)
    members: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    slower_than_decay_allowed: bool = False
    form: Form | None = None
    table: Trapezoid | None = None

    # --- what the curve says -------------------------------------------------------------------------------------

    @property
    def terms(self) -> tuple[Array, Array] | None:
        """Amplitudes (MBq) and effective rates (1/h), or None for the trapezoid, which is not a sum of exponentials."""
        return None if self.table is not None else (self.amplitudes_MBq, self.rates_per_h)

    @property
    def n_points(self) -> int:
        """Number of measured points."""
        return len(self.times_h)

    def activity_MBq(self, times_h: npt.ArrayLike) -> Array:
        """Activity in MBq at times in h after the injection; same shape as `times_h`.

        Raises
        ------
        DomainError
            A time before the injection.
        """
        t = np.asarray(times_h, dtype=float)
        if t.size and not float(t.min()) >= 0:
            raise DomainError(f"Activity asked at {float(t.min()):g} h; a curve starts at the injection (0 h).")
        if self.table is not None:
            return self.table.activity(t)
        return np.asarray(np.exp(-np.multiply.outer(t, self.rates_per_h)) @ self.amplitudes_MBq)

    @property
    def time_integrated_activity_MBq_h(self) -> float:
        """Integral of the activity from 0 to infinity, MBq h (1 MBq h is 3.6e9 decays)."""
        if self.table is not None:
            return self.table.integral()
        return float(np.sum(self.amplitudes_MBq / self.rates_per_h))

    @property
    def effective_half_life_h(self) -> float:
        """Half-life of the slowest phase that carries activity, h; for an average, the members' weighted mean."""
        if self.members:
            return sum(
                w * c.effective_half_life_h for w, c in zip(self.model_weights.values(), self.members, strict=True)
            )
        if self.table is not None:
            return math.log(2) / self.table.tail_rate_per_h
        shares = self.amplitudes_MBq / self.rates_per_h
        carrying = self.rates_per_h[shares > 1e-6 * shares.sum()]
        return math.log(2) / float(carrying.min())

    @property
    def tail_fraction(self) -> float:
        """Share of the time-integrated activity that comes after the last point (1 when there are no points)."""
        if not self.n_points:
            return 1.0
        last = float(self.times_h[-1])
        if self.table is not None:
            return self.table.tail_integral() / self.table.integral()
        after = float(np.sum(self.amplitudes_MBq / self.rates_per_h * np.exp(-self.rates_per_h * last)))
        return after / self.time_integrated_activity_MBq_h

    def exponentials(self) -> tuple[Array, Array]:
        """Amplitudes (MBq) and rates (1/h) for decay chains and dose rates, always.

        For the trapezoid, which has none, the one exponential with the same time-integrated activity *and* the same
        mean time of decay (``tau = int t A dt / int A dt``): its integral is the trapezoid's own, its shape is not.
        """
        if self.table is None:
            return self.amplitudes_MBq, self.rates_per_h
        rate = self.table.integral() / self.table.first_moment()
        return frozen([self.table.integral() * rate]), frozen([rate])

    # --- uncertainty ---------------------------------------------------------------------------------------------

    @property
    def n_scores(self) -> int:
        """How many standard-normal scores one sample of this curve takes."""
        if self.members:
            return 1 + sum(member.n_scores for member in self.members)
        if self.table is not None:
            return 1
        return len(self._free())

    def _free(self) -> npt.NDArray[np.intp]:
        diagonal = np.diagonal(self.covariance)
        return np.flatnonzero(np.isfinite(diagonal) & (diagonal > 0) & (self.parameters > 0))

    def sample(self, scores: npt.ArrayLike, *, keep_mean: bool = True, pick_member: bool = True) -> tuple[Array, Array]:
        """Curves drawn from the covariance of the fit.

        Parameters are drawn lognormal (median at the fit, log-sd ``sqrt(ln(1 + cv^2))``, the fit's correlations);
        parameters held at a bound stay there; no rate goes below physical decay unless that was allowed. Each sample's
        amplitudes are scaled so that its time-integrated activity is lognormal with the fit's own `sd`. An average
        takes one more score, its first, which picks the member. All amplitudes are then multiplied by one common
        factor, so that the mean of the samples' time-integrated activity is the fitted one exactly.

        Parameters
        ----------
        scores : array[sample, n_scores]
            Standard-normal scores; a row of zeros gives the fitted curve.
        keep_mean : bool
            False leaves the common factor out: for scores that are no sample (one moved at a time), and where the mean
            is kept later, for another nuclide's integral.
        pick_member : bool
            False keeps an average the weighted sum of its members, each with its own scores.

        Returns
        -------
        amplitudes_MBq, rates_per_h : array[sample, term]

        Raises
        ------
        DomainError
            `scores` has another shape.
        """
        z = np.asarray(scores, dtype=float)
        if z.ndim != 2 or z.shape[1] != self.n_scores:
            raise DomainError(f"scores has shape {z.shape}; this {self.model} curve takes (samples, {self.n_scores}).")
        a, r = self._draw(z, pick_member)
        if not keep_mean:
            return a, r
        drawn = np.mean(np.sum(a / r, axis=1))
        return np.asarray(a * (self.time_integrated_activity_MBq_h / drawn)), r

    def _draw(self, z: Array, pick_member: bool) -> tuple[Array, Array]:
        n = len(z)
        if self.members:
            return self._draw_members(z, pick_member)
        if self.form is None or self.n_scores == 0:
            a, r = self.exponentials()
            spread = np.ones((n, 1))
            if self.table is not None and math.isfinite(self.sd):
                spread = np.exp(z * _log_sd(self.sd / self.time_integrated_activity_MBq_h))
            return spread * a, np.tile(r, (n, 1))
        free = self._free()
        sd = np.sqrt(np.diagonal(self.covariance)[free])
        correlation = self.covariance[np.ix_(free, free)] / np.outer(sd, sd)
        size, axes = np.linalg.eigh(correlation)
        log_sd = _log_sd(sd / self.parameters[free])
        # the symmetric root keeps score j as close to parameter j as can be
        root = (axes * np.sqrt(np.clip(size, 0, None))) @ axes.T
        q = np.tile(self.parameters, (n, 1))
        deviates = z @ root  # of each parameter, standard normal, correlated as in the fit
        q[:, free] *= np.exp(log_sd * deviates)
        if not self.slower_than_decay_allowed:
            first_rate = self.form.n_amplitudes
            q[:, first_rate] = np.maximum(q[:, first_rate], self.decay_constant_per_h)
        a, r = self.form.terms(q)
        # the integral itself is drawn too, by the same deviates, so that its spread is the fit's whatever the shape does
        tia, gradient = integral(self.form, self.parameters)
        steps = gradient[free] * sd
        size_of_step = float(np.linalg.norm(root @ steps))
        if size_of_step > 0:
            drawn = tia * np.exp(_log_sd(size_of_step / tia) * (deviates @ (steps / size_of_step)))
            a = a * (drawn / np.sum(a / r, axis=1))[:, None]
        return a, r

    def _draw_members(self, z: Array, pick_member: bool) -> tuple[Array, Array]:
        from scipy.special import ndtr

        share = np.array(list(self.model_weights.values()))
        picked = np.minimum(np.searchsorted(np.cumsum(share), ndtr(z[:, 0])), len(share) - 1)
        mix = np.eye(len(share))[picked]
        mix[~z.any(axis=1) if pick_member else slice(None)] = share  # a row of zeros is the average itself
        amplitudes, rates, at = [], [], 1
        for j, member in enumerate(self.members):
            a, r = member.sample(z[:, at : at + member.n_scores], keep_mean=pick_member)
            at += member.n_scores
            amplitudes.append(mix[:, j, None] * a)
            rates.append(r)
        return np.concatenate(amplitudes, axis=1), np.concatenate(rates, axis=1)

    # --- other nuclides, other activities -------------------------------------------------------------------------

    def translate(self, to_nuclide: str, activity_ratio: float = 1.0) -> Curve:
        """The same biology with another nuclide: ``r_new = r - lambda_old + lambda_new``, amplitudes times the ratio.

        Parameters
        ----------
        to_nuclide : str
        activity_ratio : float
            Administered activity of the new nuclide over the measured one's.

        Returns
        -------
        Curve

        Raises
        ------
        FitError
            A term would no longer clear (only possible if it cleared slower than its own decay).
        """
        if not (math.isfinite(activity_ratio) and activity_ratio > 0):
            raise DomainError(f"activity_ratio is {activity_ratio!r}; it must be a number above zero.")
        new = decay_constant_per_h(to_nuclide)
        shift = new - self.decay_constant_per_h
        note = f"Measured with {self.nuclide}, translated to {to_nuclide}: biology kept, physical decay exchanged."
        notes = self.notes if to_nuclide == self.nuclide else (*self.notes, note)
        common: dict[str, Any] = {
            "nuclide": to_nuclide,
            "decay_constant_per_h": new,
            "notes": notes,
            "aicc": math.nan,
            "chi2": math.nan,
        }
        points = self._moved_points(shift, activity_ratio)
        if self.members:
            members = tuple(member.translate(to_nuclide, activity_ratio) for member in self.members)
            return replace(blend(members, self.model_weights, self.nuclide), **common)
        if self.table is not None:
            table = self.table.translated(shift, activity_ratio)
            sd = self.sd / self.time_integrated_activity_MBq_h * table.integral()
            return replace(self, table=table, sd=sd, **common, **points)
        rates = self.rates_per_h + shift
        if np.any(rates <= 0):
            raise FitError(
                f"The {self.nuclide} curve has a phase of effective half-life "
                f"{math.log(2) / self.rates_per_h.min():g} h, slower than "
                f"its own decay by more than {to_nuclide} decays: translated, it would grow for ever. Refit without "
                "allow_slower_than_decay."
            )
        moved = replace(
            self,
            **common,
            amplitudes_MBq=frozen(self.amplitudes_MBq * activity_ratio),
            rates_per_h=frozen(rates),
            **points,
        )
        if self.form is None:
            return replace(
                moved, sd=self.sd / self.time_integrated_activity_MBq_h * moved.time_integrated_activity_MBq_h
            )
        parameters, factor = self.parameters.copy(), np.ones(len(self.parameters))
        factor[: self.form.n_amplitudes] = activity_ratio
        parameters[self.form.n_amplitudes] += shift
        parameters = frozen(parameters * factor)
        covariance = frozen(self.covariance * np.outer(factor, factor))
        return replace(
            moved, parameters=parameters, covariance=covariance, sd=sd_of_integral(self.form, parameters, covariance)
        )

    def _moved_points(self, shift: float, ratio: float) -> dict[str, Any]:
        factor = ratio * np.exp(-shift * self.times_h)
        return {
            "measured_MBq": frozen(self.measured_MBq * factor),
            "residuals": frozen(self.residuals * factor),
            "weights": frozen(self.weights / factor**2),
        }

    @classmethod
    def from_terms(
        cls,
        amplitudes_MBq: Sequence[float],
        rates_per_h: Sequence[float],
        *,
        nuclide: str,
        relative_sd: float | None = None,
        allow_slower_than_decay: bool = False,
        model: str = "published",
        notes: tuple[str, ...] = (),
        where: str = "",
    ) -> Curve:
        """A curve whose terms are known, e.g. from a publication; rates are effective.

        Parameters
        ----------
        amplitudes_MBq, rates_per_h : sequence of float
            One of each per term; an amplitude may be negative (uptake), the curve may not.
        nuclide : str
        relative_sd : float, optional
            Standard uncertainty of the whole curve's height, relative.
        allow_slower_than_decay : bool
        model, notes : what to say about it.
        where : str
            Put before the message of an error.

        Returns
        -------
        Curve

        Raises
        ------
        FitError
            Not one rate per amplitude, a rate not above zero or slower than decay, or a negative curve.

        Examples
        --------
        >>> left = Curve.from_terms([108.742, -108.742], [0.0140814, 0.845429], nuclide="Lu-177")
        >>> round(left.time_integrated_activity_MBq_h, 2)
        7593.76
        >>> round(left.effective_half_life_h, 1)
        49.2
        """
        at = f"{where}: " if where else ""
        a, r = frozen(amplitudes_MBq), frozen(rates_per_h)
        if a.ndim != 1 or a.shape != r.shape or not len(a) or not (np.isfinite(a).all() and np.isfinite(r).all()):
            raise FitError(
                f"{at}a curve takes one finite amplitude and one finite rate for each term; got {a.size} and {r.size}."
            )
        constant = decay_constant_per_h(nuclide)
        least = SLOWEST_ALLOWED * constant if allow_slower_than_decay else constant * (1 - 1e-6)
        if np.any(r < least):
            slow = math.log(2) / r.min() if r.min() > 0 else math.inf
            raise FitError(
                f"{at}a term with an effective half-life of "
                f"{slow:g} h clears slower than {nuclide} "
                f"decays ({math.log(2) / constant:g} h). Give effective (not biological) rates, or "
                "allow_slower_than_decay=True."
            )
        grid = np.concatenate([[0.0], np.geomspace(1e-3 / r.max(), 40 / r.min(), 400)])
        values = np.exp(-np.multiply.outer(grid, r)) @ a
        if np.any(values < -1e-9 * np.abs(a).max()) or not np.sum(a / r) > 0:
            raise FitError(
                f"{at}the curve is negative at some time; an activity cannot be. Check the signs of the amplitudes."
            )
        tia = float(np.sum(a / r))
        curve = cls(model, nuclide, constant, a, r, notes=notes, slower_than_decay_allowed=allow_slower_than_decay)
        if relative_sd is None:
            return curve
        # one parameter, the common height: the form is a * (the published shape)
        return replace(curve, sd=relative_sd * tia, **_height_only(a, r, relative_sd))


def _height_only(a: Array, r: Array, relative_sd: float) -> dict[str, Any]:
    order = np.argsort(r)
    shape = tuple((float(x),) for x in a[order])
    form = Form("height", shape, len(r), ("height", "rate 1", *(f"rate {i + 1} - rate {i}" for i in range(1, len(r)))))
    parameters = np.concatenate([[1.0], np.diff(np.concatenate([[0.0], r[order]]))])
    covariance = np.zeros((len(parameters), len(parameters)))
    covariance[0, 0] = relative_sd**2
    return {
        "amplitudes_MBq": frozen(a[order]),
        "rates_per_h": frozen(r[order]),
        "form": form,
        "parameters": frozen(parameters),
        "parameter_names": form.parameter_names,
        "covariance": frozen(covariance),
        "held": (False, *(True for _ in r)),
    }


def _log_sd(cv: float | Array) -> Array:
    """Log-sd of a lognormal with this coefficient of variation; at most 2 (cv 7), beyond which nothing is known."""
    return np.asarray(np.sqrt(np.log1p(np.minimum(cv, 7.3) ** 2)))


def sd_of_integral(form: Form, parameters: Array, covariance: Array) -> float:
    _, gradient = integral(form, parameters)
    if not np.isfinite(covariance).all():
        return math.nan
    return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))


def blend(members: tuple[Curve, ...], shares: Mapping[str, float], nuclide: str) -> Curve:
    """Weighted sum of curves; variance within and between them (Burnham & Anderson 2002, section 4.3)."""
    w = np.array(list(shares.values()))
    tia = np.array([c.time_integrated_activity_MBq_h for c in members])
    sd = np.array([c.sd for c in members])
    first = members[0]
    return Curve(
        "average",
        nuclide,
        first.decay_constant_per_h,
        frozen(np.concatenate([s * c.amplitudes_MBq for s, c in zip(w, members, strict=True)])),
        frozen(np.concatenate([c.rates_per_h for c in members])),
        sd=math.sqrt(float(np.sum(w * (sd**2 + (tia - w @ tia) ** 2)))),
        times_h=first.times_h,
        measured_MBq=first.measured_MBq,
        residuals=frozen(sum(s * c.residuals for s, c in zip(w, members, strict=True))),
        weights=first.weights,
        model_weights=shares,
        members=members,
        slower_than_decay_allowed=first.slower_than_decay_allowed,
    )
