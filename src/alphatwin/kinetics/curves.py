"""Time-activity curves of one region from measured points or from a publication.

Every curve but the trapezoid is a sum of exponentials with *effective* rates (biology and physical decay together)::

    A(t) = sum_i a_i exp(-r_i t)    [MBq],    TIA = integral_0^inf A dt = sum_i a_i / r_i    [MBq h]

so it can be integrated, translated to another nuclide and fed to decay chains exactly. ``docs/kinetics.md`` gives
the equations, the parameter count of the criterion, and the sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import FitError, suggestion
from ._curve import Curve, blend, frozen, sd_of_integral
from ._decay import decay_constant_per_h
from ._exponentials import FORMS, Array, Fitted, Form, evaluate, least_squares_fit
from ._points import Points, checked, refuse_rising
from ._unfitted import single_point, trapezoid_curve

if TYPE_CHECKING:
    from ..catalog import RetentionCurve

__all__ = ["MODELS", "Curve", "fit_curve", "from_retention", "remainder"]

MODELS = ("auto", "average", *FORMS, "hanscheid", "madsen", "trapezoid")
Weights = Literal["auto", "uniform", "relative", "poisson"]
MISFIT = 3.0  # chi^2 over degrees of freedom from which a note tells of it
_FIT_SOURCES = ("gear2018uncertainty",)
_CHOICE_SOURCES = (*_FIT_SOURCES, "burnham2002", "hurvich1989", "glatting2007")


def fit_curve(
    times_h: Sequence[float] | Array,
    activity_MBq: Sequence[float] | Array,
    *,
    nuclide: str,
    model: str = "auto",
    sd_MBq: Sequence[float] | Array | None = None,
    relative_sd: float | None = None,
    weights: Weights = "auto",
    allow_slower_than_decay: bool = False,
    population_half_life_h: float | None = None,
    population_relative_sd: float = 0.0,
    before_first: Literal["linear", "constant", "decay"] = "linear",
    tail: Literal["slope", "decay"] = "slope",
    where: str = "",
) -> Curve:
    """Fit a time-activity curve to the measured activity of one region.

    Parameters
    ----------
    times_h : array[point]
        Hours after the injection, increasing.
    activity_MBq : array[point]
        Activity at those times, not decay-corrected.
    nuclide : str
    model : str
        ``mono``, ``bi``, ``tri``; ``uptake_clearance`` ``a (exp(-r1 t) - exp(-r2 t))``, zero at the injection;
        ``uptake_biclearance``; ``auto`` (the least AICc); ``average`` (Akaike weights over the models); ``trapezoid``;
        with one point ``hanscheid`` (Hänscheid 2018) or ``madsen`` (Madsen 2018, needs `population_half_life_h`).
    sd_MBq, relative_sd : array[point] or float, optional
        Standard deviation (k = 1) of each point, absolute or relative (then never below that share of 1 % of the
        highest point). Where the points scatter more than that, the sd of the curve is widened by
        ``sqrt(chi^2/degrees of freedom)``. Without it the scatter about the curve gives the uncertainty.
    weights : {"auto", "uniform", "relative", "poisson"}
        Squared residuals are weighted by 1/sd^2 where an sd is known ("auto"), equally where none is ("auto" and
        "uniform"), by 1/A^2 ("relative") or by 1/A ("poisson").
    allow_slower_than_decay : bool
        Without it nothing clears slower than it decays.
    population_half_life_h, population_relative_sd : float
        Effective half-life in the population and its relative sd, for the single-time-point rules.
    before_first, tail : str
        Trapezoid only: what happens before the first point (a line from zero, constant, or physical decay backwards)
        and after the last (the slope of the last two points, never slower than decay, or physical decay).
    where : str
        Put before the message of an error, e.g. the place in a case file.

    Returns
    -------
    Curve

    Raises
    ------
    FitError
        Fewer points than parameters, times that do not increase, negative or missing activity, all zero, a curve that
        rises at its end, an unknown model.

    Notes
    -----
    Sources: Burnham & Anderson 2002 (AICc, averaging), Glatting 2007 and Kletting 2013 (choice of fit function),
    Hänscheid 2018, Madsen 2018, Gear 2018 (uncertainty). Units: h, MBq, MBq h.

    Examples
    --------
    >>> t, a = [3.7411, 27.7253, 103.0942, 123.9836], [98.561, 73.599, 25.396, 19.047]
    >>> curve = fit_curve(t, a, nuclide="Lu-177", model="uptake_clearance")
    >>> round(curve.time_integrated_activity_MBq_h)
    7594
    >>> round(curve.effective_half_life_h, 1)
    49.2
    """
    if model not in MODELS:
        raise FitError(
            f"{where + ': ' if where else ''}no curve model {model!r}. {suggestion(model, MODELS)}Allowed: "
            f"{', '.join(MODELS)}."
        )
    points = checked(times_h, activity_MBq, nuclide, sd_MBq, relative_sd, weights, allow_slower_than_decay, where)
    if model in ("hanscheid", "madsen"):
        return single_point(points, model, population_half_life_h, population_relative_sd)
    if model == "trapezoid":
        return trapezoid_curve(points, before_first, tail)
    refuse_rising(points)
    if model in FORMS:
        return _with_misfit(_fit_form(points, FORMS[model]), points)
    return _choose(points) if model == "auto" else _average(points)


def _fit_form(points: Points, form: Form) -> Curve:
    n, p = len(points.t), form.n_parameters
    if n < p:
        carried = [f.name for f in FORMS.values() if f.n_parameters <= n]
        use = f"Choose {' or '.join(carried)}" if carried else "Choose a single-time-point model"
        raise FitError(
            f"{points.at}model {form.name} has {p} parameters, and there are {n} points. {use}, or add points."
        )
    fit = least_squares_fit(form, points.t, points.y, points.w, points.slowest)
    parameters = fit.parameters.copy()
    amplitudes, rates = form.terms(parameters)
    fitted, jacobian = evaluate(form, parameters, points.t)
    residuals = points.y - fitted
    covariance, notes = _covariance(points, form, fit, jacobian)
    total = float(np.sum((points.y - points.y.mean()) ** 2))
    known = points.sd is not None
    chi2 = (
        float(np.sum((residuals / points.sd) ** 2))
        if points.sd is not None
        else float(np.sum((points.w * residuals) ** 2))
    )
    curve = Curve(
        form.name,
        points.nuclide,
        points.constant,
        frozen(amplitudes),
        frozen(rates),
        form.parameter_names,
        frozen(parameters),
        frozen(covariance),
        tuple(bool(h) for h in fit.held),
        times_h=points.t,
        measured_MBq=points.y,
        residuals=frozen(residuals),
        weights=frozen(points.w**2),
        chi2=chi2,
        aicc=_criterion(chi2, n, p, known, float(np.sum((points.w * points.y) ** 2))),
        r_squared=1 - float(np.sum(residuals**2)) / total if total > 0 else math.nan,
        slower_than_decay_allowed=points.slower_allowed,
        form=form,
        sources=_FIT_SOURCES,
        sd=sd_of_integral(form, parameters, covariance),
        notes=tuple(notes),
    )
    if curve.sd > curve.time_integrated_activity_MBq_h:
        loose = f"These points do not determine the time-integrated activity of model {form.name} (sd above 100 %)."
        curve = replace(curve, notes=(*curve.notes, loose))
    if curve.tail_fraction > 0.5:
        late = (
            f"{curve.tail_fraction:.0%} of the time-integrated activity lies after the last point ({points.t[-1]:g} h)."
        )
        curve = replace(curve, notes=(*curve.notes, late))
    return curve


def _covariance(points: Points, form: Form, fit: Fitted, jacobian: Array) -> tuple[Array, list[str]]:
    """Covariance of the parameters, zero for those held at a bound; and what must be said about it."""
    notes: list[str] = []
    free, parameters = ~fit.held, fit.parameters
    n, p = len(points.t), form.n_parameters
    rate = form.n_amplitudes
    bound = "a thousandth of the decay" if points.slower_allowed else "the physical decay"
    if fit.held[rate] and fit.parameters[rate] <= points.slowest * (1 + 1e-9):
        notes.append(
            f"The slowest phase is held at {bound} of {points.nuclide}: unbounded, the fit would clear "
            "slower than it "
            "decays. The uncertainty of that rate is not in the sd."
        )
    empty = bool(np.any(fit.parameters[:rate] == 0))
    if empty:
        notes.append(f"A term of model {form.name} got no amplitude: the points show fewer phases than it has.")
    elif any(fit.held[rate + 1 :]):
        notes.append("A phase is quicker than these points can resolve; its rate is held at a bound.")
    covariance = np.zeros((p, p))
    scaled = points.w[:, None] * jacobian[:, free]
    norm = np.linalg.norm(scaled, axis=0)
    tiny = 1e-12 * float(np.linalg.norm(points.w * points.y)) / np.maximum(parameters[free], 1e-300)
    inverse = np.linalg.pinv(scaled / np.maximum(norm, tiny), rcond=1e-10) / np.maximum(norm, tiny)[:, None]
    if points.sd is not None:
        inner = inverse * (points.w * points.sd)  # equals `inverse` when the weights are 1/sd^2
        covariance[np.ix_(free, free)] = inner @ inner.T
    elif n > p:
        covariance[np.ix_(free, free)] = inverse @ inverse.T * fit.cost / (n - p)
    else:
        covariance[:] = np.nan
        notes.append(
            f"{n} points for {p} parameters leave no scatter to judge: the uncertainty of the curve is unknown. "
            "Give sd_MBq or "
            "relative_sd."
        )
    return covariance, notes


def _with_misfit(curve: Curve, points: Points) -> Curve:
    """The curve with points that scatter more than their sd says: covariance times chi^2 over degrees of freedom, where above 1.

    Birge's ratio, as the Particle Data Group scales: either the sds are too small or the model lacks something, and the sd
    alone tells neither.
    """
    dof = len(points.t) - len(curve.parameters) + sum(curve.held)
    if points.sd is None or dof < 1 or not curve.chi2 > dof:
        return curve
    ratio = math.sqrt(curve.chi2 / dof)
    notes = curve.notes
    if ratio**2 > MISFIT:
        notes = (
            *notes,
            f"The points lie off model {curve.model} by more than their sd: chi^2 is {curve.chi2:.3g} on {dof} degree"
            f"{'s' if dof > 1 else ''} of freedom. The sd of the fit was widened {ratio:.2g} times; try another model.",
        )
    return replace(curve, covariance=frozen(curve.covariance * ratio**2), sd=curve.sd * ratio, notes=notes)


def _criterion(chi2: float, n: int, p: int, sd_known: bool, scale: float) -> float:
    """AICc; with unknown variance k = p + 1 (the variance counts), and infinite where n <= k + 1."""
    if sd_known:
        return chi2 + 2 * p  # -2 ln L up to a constant; the small-sample term belongs to an estimated variance
    k = p + 1
    if n <= k + 1:
        return math.inf
    floor = 1e-24 * scale  # points that lie on the curve to rounding
    return n * math.log(max(chi2, floor) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _candidates(points: Points) -> list[Curve]:
    n = len(points.t)
    forms = [f for f in FORMS.values() if f.n_parameters < n] or [FORMS["mono"]]
    return [_fit_form(points, form) for form in forms]


def _choose(points: Points) -> Curve:
    curves = _candidates(points)
    defined = [c for c in curves if math.isfinite(c.aicc)]
    useful = [c for c in defined if c.sd < c.time_integrated_activity_MBq_h] or defined
    best = min(useful or curves, key=lambda c: c.aicc if useful else len(c.parameters))
    notes = [_verdict(curves, defined, useful, best, len(points.t))]
    left_out = [c.model for c in defined if c not in useful]
    if left_out:
        notes.append(f"Left out because the points do not determine their integral: {', '.join(left_out)}.")
    shares = _akaike(useful) if useful else {best.model: 1.0}
    best = _with_misfit(best, points)
    return replace(best, model_weights=shares, notes=(*notes, *best.notes), sources=_CHOICE_SOURCES)


def _verdict(curves: list[Curve], defined: list[Curve], useful: list[Curve], best: Curve, n: int) -> str:
    if len(curves) == 1:
        return f"{n} points carry no model but {best.model}; nothing was compared."
    if not defined:
        names = ", ".join(c.model for c in curves)
        return (
            f"AICc is undefined for {n} points and every model that fits them ({names}): it needs more than two points "
            f"beyond the parameters. {best.model} was taken as the one with the fewest parameters. Give sd_MBq or "
            "relative_sd to compare them."
        )
    if len(defined) == 1:
        names = ", ".join(c.model for c in curves if c is not best)
        return f"With {n} points AICc is defined for {best.model} only (not for {names}), so it was not a choice."
    if len(useful) == 1:
        return f"{best.model} is the only model whose integral these points determine."
    table = ", ".join(f"{c.model} {c.aicc - best.aicc:+.1f}" for c in useful)
    return f"{best.model} has the least AICc (difference: {table})."


def _akaike(curves: Sequence[Curve]) -> dict[str, float]:
    values = np.array([c.aicc for c in curves])
    w = np.exp(-0.5 * (values - values.min()))
    return dict(zip((c.model for c in curves), (w / w.sum()).tolist(), strict=True))


def _average(points: Points) -> Curve:
    curves = _candidates(points)
    defined = [c for c in curves if math.isfinite(c.aicc)]
    # a model that the points do not determine cannot speak for the others
    usable = [c for c in defined if c.sd < c.time_integrated_activity_MBq_h]
    if len(usable) < 2:
        best = _choose(points)
        return replace(best, notes=(*best.notes, "Only one model could be used, so nothing was averaged."))
    shares = _akaike(usable)
    kept = [_with_misfit(c, points) for c in usable if shares[c.model] > 1e-4]
    shares = _akaike(kept)
    if len(kept) == 1:
        only = f"{kept[0].model} has all the Akaike weight, so nothing was averaged."
        return replace(kept[0], model_weights=shares, notes=(only, *kept[0].notes), sources=_CHOICE_SOURCES)
    blended = blend(tuple(kept), shares, points.nuclide)
    table = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    residuals = points.y - blended.activity_MBq(points.t)
    total = float(np.sum((points.y - points.y.mean()) ** 2))
    notes = dict.fromkeys(
        (f"Average over models by Akaike weight: {table}.", *(note for c in kept for note in c.notes))
    )
    return replace(
        blended,
        times_h=points.t,
        measured_MBq=points.y,
        residuals=frozen(residuals),
        weights=frozen(points.w**2),
        aicc=min(c.aicc for c in kept),
        sources=_CHOICE_SOURCES,
        r_squared=1 - float(np.sum(residuals**2)) / total if total > 0 else math.nan,
        notes=tuple(notes),
    )


def from_retention(
    entry: RetentionCurve,
    administered_activity_MBq: float,
    nuclide: str,
    *,
    relative_sd: float | None = None,
    where: str = "",
) -> Curve:
    """A published retention curve of the catalogue as activity of `nuclide`.

    Biological half-lives get the physical decay of `nuclide` added; effective ones (of the entry's own nuclide) are
    translated from it: ``r = ln2/T - lambda_entry + lambda_nuclide``.

    Parameters
    ----------
    entry : catalog.RetentionCurve
        In fraction of administered activity.
    administered_activity_MBq : float
        Of `nuclide`.
    nuclide : str
    relative_sd : float, optional
    where : str

    Returns
    -------
    Curve

    Raises
    ------
    FitError
        The entry is per litre, or a term is slower than decay.
    """
    at = f"{where}: " if where else ""
    if entry.unit != "fraction of administered activity":
        raise FitError(
            f"{at}the published curve of {entry.region} is in {entry.unit}; multiply it by the volume first."
        )
    if not (administered_activity_MBq > 0 and math.isfinite(administered_activity_MBq)):
        raise FitError(f"{at}administered activity is {administered_activity_MBq!r} MBq; it must be above zero.")
    own = nuclide if entry.half_lives == "biological" else entry.nuclide
    added = decay_constant_per_h(own) if entry.half_lives == "biological" else 0.0
    note = (
        f"Published curve of {entry.region} ({entry.source}, {entry.locator})"
        + ("" if entry.verified else ", not verified")
        + "."
    )
    curve = Curve.from_terms(
        [term.fraction * administered_activity_MBq for term in entry.terms],
        [math.log(2) / term.half_life_h + added for term in entry.terms],
        nuclide=own,
        relative_sd=relative_sd,
        notes=(note, entry.assumes) if entry.assumes else (note,),
        where=where,
    )
    return replace(curve, sources=(entry.source,)).translate(nuclide)


def remainder(
    whole_body_MBq: Sequence[float] | Array, organs_MBq: Mapping[str, Sequence[float] | Array], *, where: str = ""
) -> Array:
    """Whole body minus the organs inside it, point by point, MBq.

    Parameters
    ----------
    whole_body_MBq : array[point]
    organs_MBq : mapping of region name to array[point]
        Measured at the same times.

    Returns
    -------
    array[point]

    Raises
    ------
    FitError
        The organs hold more than the whole body at a point, or the lengths differ.

    Examples
    --------
    >>> remainder([1328.78, 883.02], {"liver": [378.474, 347.404], "spleen": [87.207, 77.633]})
    array([863.099, 457.983])
    """
    at = f"{where}: " if where else ""
    left = np.array(whole_body_MBq, dtype=float)
    for name, values in organs_MBq.items():
        organ = np.asarray(values, dtype=float)
        if organ.shape != left.shape:
            raise FitError(
                f"{at}{name} has {organ.size} points and the whole body {left.size}; they must be measured at the "
                "same times."
            )
        left = left - organ
    if not np.isfinite(left).all() or np.any(left < 0):
        i = int(np.flatnonzero(~(left >= 0))[0])
        raise FitError(
            f"{at}the organs together hold more than the whole body at point {i + 1} (remainder {left[i]:g} MBq). "
            "Check the calibration of both, and that no organ is counted twice."
        )
    return left
