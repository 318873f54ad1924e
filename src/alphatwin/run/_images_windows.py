"""Energy windows of a chain: images unmixed, one curve for each imaged member, and which decays each of them drives.

Counts of window w in a voxel or region are ``C_w = d sum_q K_wq A_q`` (`imaging._windows`), so the image of nuclide q is
``sum_w (K^-1)_qw C_w/d``: linear, with negative voxels where noise has it so; sums over regions keep them. K is uncertain, and the
same K serves all: in sample s the activities are ``A_s = K_s^-1 K A``.

A nuclide that lives shorter than a quarter of an hour stands for the parent that feeds it, with the ratio of Bateman's transient
equilibrium: 221Fr (4.8 min) for 225Ac, 208Tl for 212Bi. A longer-lived one (213Bi, 46 min) stands for itself. Each member of the
chain decays as the nearest imaged member above it does, in place: 225Ac, 221Fr and 217At by the 218 keV window, 213Bi, 213Po,
209Tl and 209Pb by that of 440 keV.

Nothing of a chain clears slower than its carrier decays, and what is fed by the carrier hardly changes during a scan: fits and the
correction for decay during the acquisition take the carrier's constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..case.images import ImagesCase
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, ImageError
from ..imaging.activity import ActivitySeries, DecayMaps, activity_series, decay_maps
from ..imaging.quantify import ActivitySamples, ChainActivities, CurveSamples, WindowResponse, equilibrium_ratio, unmix
from ..imaging.registration import Registered
from ..imaging.values import Image, Labels, Study
from ..kinetics import InPlace, chain_kinetics, integrate
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ..report.images import TimeActivity
from ..report.images_windows import ALL, RatioRow, WindowRow, WindowsResult
from ._images_activity import Corrected, RegionCurves, corrected, fitted, measured_in, outlined

__all__ = [
    "SplitWindows", "WindowCurves", "decays_drawn", "driven_by", "maps_of_windows", "split_windows", "stands_for", "window_curves",
    "windows_result",
]  # fmt: skip

Array = npt.NDArray[np.float64]
SHORT_H = 0.25  # a nuclide that lives shorter stands for its parent
SLOW = 0.2  # half-life over that of the carrier, from which on a daughter follows nothing
LEAST = 25.0  # counts in a voxel: a fifth of noise
K95 = 1.959963984540054
TAIL_H = 10  # half-lives after the administration until a daughter follows its parent


@dataclass(frozen=True, eq=False)
class SplitWindows:
    """The windows of a study by the member of the chain that each stands for; the carrier's first.

    Attributes
    ----------
    members : tuple of str
        Ac-225, Bi-213.
    shown : dict of str to str
        Member to the nuclide whose photons are counted: Ac-225 to Fr-221.
    ratio : dict of str to float
        Activity of the one shown over that of the member, in equilibrium.
    response : WindowResponse
        Windows and shown nuclides in the order of the members.
    plain : dict of str to Study
        Counts of the member's own window as if all were its own: MBq/mL, Poisson noise.
    unmixed : dict of str to Study
        MBq/mL of the member.
    """

    members: tuple[str, ...]
    shown: Mapping[str, str]
    ratio: Mapping[str, float]
    response: WindowResponse
    plain: Mapping[str, Study]
    unmixed: Mapping[str, Study]
    window_of: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class WindowCurves:
    """Curves of each member in every region, and the corrected activities they were fitted to."""

    found: Mapping[str, RegionCurves]
    chain: tuple[tuple[ChainActivities | None, ...], ...]  # [region][time], of the nuclides shown
    split: SplitWindows

    @property
    def carrier(self) -> RegionCurves:
        """Of the carrier."""
        return self.found[self.split.members[0]]

    def notes(self) -> list[str]:
        """What is assumed, for the report."""
        split, owner = self.split, driven_by(self.split)
        told = [*split.notes, *split.response.notes]
        for m in split.members:
            drives = ", ".join(q for q, o in owner.items() if o == m)
            shown = f"of {m}, seen itself" if split.shown[m] == m else (
                f"of {split.shown[m]}, which lives {60 * nuclide_of(split.shown[m]).half_life_h:.1f} min and stands for {m} "
                f"(ratio {split.ratio[m]:.5g} in equilibrium; it is taken to decay where {m} did)"
            )  # fmt: skip
            told.append(f"Window {split.window_of[m]}: activity {shown}. Its curve gives the decays of {drives}.")
        for m in split.members[1:]:
            told += [f"{m}: {n}" for n in self.found[m].notes]
        told.append(
            "Noise of the two windows' points and fits is correlated by cross-talk (negatively) and registration; curves are drawn "
            "with the mean correlation of their points, to first order. Regions with few counts are drawn independently."
        )
        return told


def stands_for(nuclide: str, carrier: str) -> tuple[str, float]:
    """The member whose decays the imaged nuclide tells, and the ratio of the two in equilibrium.

    Examples
    --------
    >>> stands_for("Bi-213", "Ac-225")
    ('Bi-213', 1.0)
    >>> member, ratio = stands_for("Fr-221", "Ac-225")
    >>> member, round(ratio, 5)
    ('Ac-225', 1.00034)
    """
    table = chain_table(carrier)
    if nuclide not in table.names:
        raise CaseError(f"{nuclide} is not in the chain of {carrier}: {', '.join(table.names)}.")
    at = table.names.index(nuclide)
    while at and nuclide_of(table.names[at]).half_life_h < SHORT_H:
        at = int(np.argmax(table.branching[at]))
    member = table.names[at]
    return member, 1.0 if member == nuclide else equilibrium_ratio(nuclide, member, carrier)


def split_windows(case: ImagesCase, study: Study) -> SplitWindows:
    """Find the image of each window at each time, and unmix them.

    Raises
    ------
    CaseError
        A window without an image, a nuclide that is not in the chain, two windows for one member.
    """
    names, asked = tuple(case.windows), case.windows
    members: list[str] = []
    shown: dict[str, str] = {}
    ratio: dict[str, float] = {}
    for name in names:
        try:
            nuclide = nuclide_of(asked[name].nuclide).name
            member, factor = stands_for(nuclide, study.nuclide)
        except AlphatwinError as error:
            raise CaseError(f"windows.{name}.nuclide: {error}") from None
        if member in shown:
            raise CaseError(f"windows.{name}.nuclide: {shown[member]} and {nuclide} both stand for {member}; keep one.")
        if members and nuclide_of(member).half_life_h > SLOW * nuclide_of(study.nuclide).half_life_h:
            raise CaseError(
                f"windows.{name}.nuclide: {member} lives {nuclide_of(member).half_life_h:.3g} h, not much shorter than {study.nuclide} "
                f"({nuclide_of(study.nuclide).half_life_h:.3g} h): it grows in over weeks, and no curve here tells how. Leave this window out; "
                "the chain then decays as `daughters` says."
            )
        members.append(member)
        shown[member], ratio[member] = nuclide, factor
    if members[0] != study.nuclide:
        raise CaseError(
            f"windows.{names[0]}: {shown[members[0]]} stands for {members[0]}, and {study.nuclide} was given. The first window "
            f"shows the carrier, or a daughter that lives less than {60 * SHORT_H:g} minutes."
        )
    response = _response(case)
    inverse = np.linalg.inv(response.cps_per_MBq)
    plain: dict[str, list[Any]] = {m: [] for m in members}
    unmixed: dict[str, list[Any]] = {m: [] for m in members}
    for k, point in enumerate(study.points, 1):
        images = [_image_of(case, name, k, (point.emission, *point.windows.values())) for name in names]
        seconds, voxel = _duration(images, k), images[0].grid.voxel_mL
        counts = [np.asarray(i.array, dtype=float) for i in images]
        for j, m in enumerate(members):
            own = replace(images[j].acquisition, nuclide=study.nuclide)
            worth = 1 / (ratio[m] * seconds * voxel)
            alone = worth / float(response.cps_per_MBq[j, j])
            told: dict[str, Any] = {"quantity": "activity_concentration", "notes": ()}
            plain[m].append(replace(point, windows={}, emission=replace(
                images[j], array=counts[j] * alone, sigma=np.sqrt(counts[j]) * alone,
                acquisition=replace(own, MBq_per_count=alone * voxel), **told)))  # fmt: skip
            mixed = sum(float(inverse[j, i]) * c for i, c in enumerate(counts))
            variance = sum(float(inverse[j, i]) ** 2 * c for i, c in enumerate(counts))
            unmixed[m].append(replace(point, windows={}, emission=replace(
                images[j], array=np.asarray(mixed) * worth, sigma=np.sqrt(variance) * worth,
                acquisition=replace(own, MBq_per_count=float(inverse[j, j]) * worth * voxel), **told)))  # fmt: skip
    slowest = {
        m: max(nuclide_of(q).half_life_h for q in {m, shown[m]} - {members[0]})
        for m in members
        if {m, shown[m]} != {members[0]}
    }
    early = [m for m, half_life in slowest.items() if study.times_h[0] < TAIL_H * half_life]
    notes = [
        f"{m if m != members[0] else shown[m]}: the first image is earlier than {TAIL_H} of its half-lives after the administration; it need not follow what feeds it."
        for m in early
    ]  # fmt: skip
    return SplitWindows(
        tuple(members), shown, ratio, response,
        {m: replace(study, points=tuple(p)) for m, p in plain.items()},
        {m: replace(study, points=tuple(p)) for m, p in unmixed.items()},
        dict(zip(members, names, strict=True)), tuple(notes),
    )  # fmt: skip


def _response(case: ImagesCase) -> WindowResponse:
    windows = list(case.windows.values())
    shown = [w.nuclide for w in windows]
    k, sd = np.zeros((len(windows),) * 2), np.zeros((len(windows),) * 2)
    for i, w in enumerate(windows):
        k[i, i], sd[i, i] = w.cps_per_MBq, w.cps_per_MBq * w.sd
        for q, share in w.crosstalk.items():
            j = shown.index(q)
            k[i, j] = share * windows[j].cps_per_MBq
            sd[i, j] = k[i, j] * w.crosstalk_sd
    try:
        return WindowResponse(tuple(case.windows), tuple(shown), k, sd, case.calibration.sd)
    except ImageError as error:
        raise CaseError(f"windows: {error}") from None


def _image_of(case: ImagesCase, name: str, k: int, images: tuple[Image, ...]) -> Image:
    energy = case.windows[name].energy_keV
    hit = [i for i in images if any(low <= energy <= high for low, high in i.acquisition.energy_windows_keV)]
    if len(hit) != 1:
        there = "; ".join(
            ", ".join(f"{a:g} to {b:g}" for a, b in i.acquisition.energy_windows_keV) or "not stated" for i in images
        )
        raise CaseError(
            f"windows.{name}.energy_keV: {len(hit)} images of time point {k} have {energy:g} keV in their window; one is needed. "
            f"Windows there: {there} keV."
        )
    if hit[0].quantity != "counts":
        raise CaseError(
            f"windows.{name}: the image of time point {k} is in {hit[0].unit}, not counts: what was taken off for other nuclides is "
            "not known. Export counts."
        )
    return hit[0]


def _duration(images: list[Image], k: int) -> float:
    seconds = {i.acquisition.duration_s for i in images}
    if len(seconds) != 1 or None in seconds or any(not i.grid.same_as(images[0].grid) for i in images):
        raise CaseError(
            f"windows: the images of time point {k} differ in grid or duration, or do not state their duration."
        )
    return float(seconds.pop() or 0.0)


# --- curves ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _OfMember(Draws):
    """Scores of one window: counts and fits have their own, what is common (outline, recovery, calibration) has not.

    Those of a fit are correlated with the carrier's as the noise of the two is: negatively by cross-talk, positively by registration.
    """

    member: str = ""
    correlation: Mapping[str, float] = field(default_factory=dict)

    def normal(self, name: str) -> npt.NDArray[np.float64]:
        if not name.startswith(("counts ", "fit ", "low counts ")):
            return super().normal(name)
        own = super().normal(f"{name} {self.member}")
        r = self.correlation.get(name.removeprefix("fit ").rsplit(" ", 1)[0], 0.0) if name.startswith("fit ") else 0.0
        return np.asarray(r * super().normal(name) + math.sqrt(1 - r * r) * own) if r else own


def window_curves(case: ImagesCase, registered: Registered, split: SplitWindows, draws: Draws) -> WindowCurves:
    """Activity and curve of every member in every region and in the rest of the body."""
    place = outlined(case, registered)
    if place.bent:
        raise CaseError(
            "registration.kind: with energy windows give rigid, affine or none; a B-spline mixes counts of voxels."
        )
    made: dict[str, Corrected] = {}
    plain: dict[str, ActivitySeries] = {}
    for i, m in enumerate(split.members):
        mine = _narrowed(case, split.window_of[m])
        own = draws if not i else _OfMember(draws.n, draws.seed, m)
        plain[m] = activity_series(_lying(registered, split.plain[m]))
        made[m] = corrected(mine, place, activity_series(_lying(registered, split.unmixed[m])), own)
    found: dict[str, RegionCurves] = {}
    noise: dict[str, Array] = {}
    outlined_MBq: dict[str, Array] = {}
    mixed = _with_response(split, made, draws)
    for m in split.members:
        gross = measured_in(place, plain[m])
        rows = np.vstack([gross.activity_MBq[: len(place.names)], gross.activity_MBq[-1]])
        noise[m] = np.vstack([gross.noise_sd_MBq[: len(place.names)], gross.noise_sd_MBq[-1]])
        outlined_MBq[m] = rows
    for i, m in enumerate(split.members):
        own = draws if not i else _OfMember(draws.n, draws.seed, m, _correlation(case, split, mixed, noise, i))
        like = found[split.members[0]].curves if i else None
        one = fitted(case, place, mixed[m], plain[m], own, outlined_MBq[m], split.members[0], like)
        found[m] = replace(one, curves={n: _of_nuclide(c, m) for n, c in one.curves.items()}) if i else one
    return WindowCurves(found, _ratios(split, registered, mixed, noise), split)


def _correlation(
    case: ImagesCase, split: SplitWindows, made: Mapping[str, Corrected], own_noise: Mapping[str, Array], i: int
) -> dict[str, float]:
    """Of the errors of points of the carrier and of member i, by region, mean over the times: counts and registration."""
    inverse, worth = np.linalg.inv(split.response.cps_per_MBq), np.diag(split.response.cps_per_MBq)
    rate = np.stack(
        [own_noise[m] * split.ratio[m] * worth[j] for j, m in enumerate(split.members)]
    )  # [window, region, time]
    out = {}
    for row, part in enumerate(made[split.members[0]].samples):
        other = made[split.members[i]].samples[row]
        ends = np.stack(
            [part.nominal_MBq * split.ratio[split.members[0]], other.nominal_MBq * split.ratio[split.members[i]]]
        )
        lever = np.stack([inverse[0] / part.recovery, inverse[i] / other.recovery])  # [end, window]
        covariance = np.einsum("aw,bw,wt->abt", lever, lever, rate[:, row] ** 2)
        covariance += case.registration.sd**2 * ends[:, None] * ends[None, :]
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        r = np.divide(covariance[0, 1], scale, out=np.zeros_like(scale), where=scale > 0)
        out[part.region] = float(np.clip(r.mean(), -0.99, 0.99))
    return out


def _lying(registered: Registered, study: Study) -> Study:
    """Another set of emission images of the same visits; outlines are read where they were."""
    return replace(study, points=tuple(
        replace(p, emission=own.emission) for p, own in zip(registered.study.points, study.points, strict=True)
    ))  # fmt: skip


def _narrowed(case: ImagesCase, window: str) -> ImagesCase:
    """The case with the resolution of one window."""
    width = case.windows[window].fwhm_mm
    if width is None or case.recovery is None:
        return case
    return case.model_copy(update={"recovery": case.recovery.model_copy(update={"fwhm_mm": width})})


def _of_nuclide(curve: CurveSamples, nuclide: str) -> CurveSamples:
    """The curve of a daughter that its carrier feeds: rates are those of the feed, and at the administration there is none of it.

    ``A(t) = sum_i a_i (exp(-r_i t) - exp(-lambda t))``: the points are late, where the second term is gone; it takes 1/lambda off the
    integral of each a_i (Bateman). Without it 212Bi would decay a tenth too often.
    """
    constant = nuclide_of(nuclide).decay_constant_per_h
    one = replace(curve.curve, nuclide=nuclide, decay_constant_per_h=constant)
    if one.terms is None or float(one.rates_per_h.max()) >= constant or float(curve.rates_per_h.max()) >= constant:
        return replace(curve, curve=one)
    before = one.time_integrated_activity_MBq_h
    one = replace(one, amplitudes_MBq=_grown(one.amplitudes_MBq), rates_per_h=np.append(one.rates_per_h, constant))
    rates = np.column_stack([curve.rates_per_h, np.full(len(curve.rates_per_h), constant)])
    return replace(
        curve, curve=one, amplitudes_MBq=_grown(curve.amplitudes_MBq), rates_per_h=rates,
        sd=curve.sd * one.time_integrated_activity_MBq_h / before,
    )  # fmt: skip


def _grown(amplitudes_MBq: Array) -> Array:
    """Amplitudes [..., term] and the one that makes their sum zero."""
    return np.concatenate([amplitudes_MBq, -amplitudes_MBq.sum(axis=-1, keepdims=True)], axis=-1)


def _drawn_response(split: SplitWindows, draws: Draws) -> Array:
    """K of each sample, [sample, window, nuclide]; lognormal, each number by itself."""
    k, sd = split.response.cps_per_MBq, split.response.sd
    made = np.broadcast_to(k, (draws.n, *k.shape)).copy()
    for i, j in zip(*np.nonzero(k), strict=True):
        spread = math.sqrt(math.log1p(float(sd[i, j] / k[i, j]) ** 2))
        made[:, i, j] *= np.exp(spread * draws.normal(f"window {i + 1} {j + 1}"))
    return made


def _with_response(split: SplitWindows, made: Mapping[str, Corrected], draws: Draws) -> dict[str, Corrected]:
    """The samples of all members with the uncertainty of the response: ``A_s = K_s^-1 K A``, one K for all regions and times."""
    members, k = split.members, split.response.cps_per_MBq
    move = np.linalg.solve(_drawn_response(split, draws), np.broadcast_to(k, (draws.n, *k.shape)))
    scale = np.array([split.ratio[m] for m in members])
    move = move * scale[None, None, :] / scale[None, :, None]  # of members, not of the nuclides shown
    inverse = np.linalg.inv(k)
    out: dict[str, list[ActivitySamples]] = {m: [] for m in members}
    for row in range(len(next(iter(made.values())).samples)):
        parts = [made[m].samples[row] for m in members]
        nominal = np.stack([p.nominal_MBq for p in parts])
        for i, (m, p) in enumerate(zip(members, parts, strict=True)):
            common = np.einsum("sj,jst->st", move[:, i], np.stack([q.common_MBq for q in parts]))
            noise = p.activity_MBq - p.common_MBq
            covariance, variance = p.covariance_MBq2.copy(), p.budget["calibration"] ** 2
            for a, b in zip(*np.nonzero(split.response.sd), strict=True):
                shift = inverse[i, a] * float(split.response.sd[a, b]) * nominal[b] * scale[b] / scale[i]
                covariance += np.outer(shift, shift)
                variance = variance + shift**2
            out[m].append(replace(p, common_MBq=common, activity_MBq=common + noise, covariance_MBq2=covariance,
                                  budget={**p.budget, "calibration": np.sqrt(variance)}))  # fmt: skip
    return {m: replace(made[m], samples=out[m], units=[_unit(u, move[:, i, i], split, i) for u in made[m].units])
            for i, m in enumerate(members)}  # fmt: skip


def _unit(one: ActivitySamples, factor: Array, split: SplitWindows, i: int) -> ActivitySamples:
    """1 MBq of a member alone: its own entry of the response is what is uncertain."""
    own = float(split.response.sd[i, i] / split.response.cps_per_MBq[i, i])
    budget = {**one.budget, "calibration": np.hypot(one.budget["calibration"], own)}
    return replace(one, common_MBq=one.common_MBq * factor[:, None], budget=budget)


def _ratios(
    split: SplitWindows, registered: Registered, made: Mapping[str, Corrected], own_noise: Mapping[str, Array]
) -> tuple[tuple[ChainActivities | None, ...], ...]:
    """Activities of the nuclides shown, blur undone, with the covariance that counts and response give them; None without counts."""
    members, response = split.members, split.response
    worth = np.diag(response.cps_per_MBq)
    out = []
    for row, name in enumerate(s.region for s in made[members[0]].samples):
        parts = [made[m].samples[row] for m in members]
        of_time: list[ChainActivities | None] = []
        for k, point in enumerate(registered.study.points):
            seconds = float(point.emission.acquisition.duration_s or 0.0)
            a = np.array([p.nominal_MBq[k] * split.ratio[m] for p, m in zip(parts, members, strict=True)])
            noise = np.array(
                [own_noise[m][row, k] * split.ratio[m] / p.recovery for p, m in zip(parts, members, strict=True)]
            )
            least = 1 / (worth * seconds)  # one count
            of_time.append(unmix(
                response.cps_per_MBq @ a * seconds, response, duration_s=seconds, draws=Draws(1),
                counts_sd=np.maximum(noise, least) * worth * seconds, where=f"{name} {k + 1}",
            ))  # fmt: skip
        out.append(tuple(of_time))
    return tuple(out)


# --- decays ----------------------------------------------------------------------------------------------------------


def driven_by(split: SplitWindows) -> dict[str, str]:
    """The member whose curve each nuclide of the chain follows: the nearest imaged one above it."""
    table = chain_table(split.members[0])
    made: dict[str, str] = {}
    for i, name in enumerate(table.names):
        made[name] = name if name in split.members else made[table.names[int(np.argmax(table.branching[i]))]]
    return made


def decays_drawn(windows: WindowCurves) -> Any:
    """Decays of every nuclide in every region, ``[sample, region, nuclide]``: each driven by its member's samples."""
    import xarray as xr

    owner, parts = driven_by(windows.split), []
    for m in windows.split.members:
        curves = windows.found[m].curves
        n = len(next(iter(curves.values())).amplitudes_MBq)
        terms = {r: (c.amplitudes_MBq, c.rates_per_h) for r, c in curves.items()}
        decays = integrate(chain_kinetics(terms, m, InPlace(), n=n)).decays
        parts.append(decays.sel(nuclide=[q for q in decays["nuclide"].values.tolist() if owner[q] == m]))
    return xr.concat(parts, dim="nuclide")


def maps_of_windows(registered: Registered, labels: Labels, windows: WindowCurves) -> DecayMaps:
    """Decays of voxels: each member's by its own window's counts within each region, each region's by its curve.

    Within a region the counts are taken as they are, cross-talk included, since taken off voxel by voxel it leaves negative ones;
    how much a region holds is that of the curve, from which it was taken off.
    """
    owner, made = driven_by(windows.split), []
    for m in windows.split.members:
        seen = activity_series(replace(registered, study=_lying(registered, windows.split.plain[m])))
        images = tuple(replace(i, array=i.array + 1e-6 * float(i.array.mean() + 1e-12)) for i in seen.images)
        curves = {n: c.curve for n, c in windows.found[m].curves.items()}
        made.append(decay_maps(replace(seen, images=images, nuclide=m), labels, curves, "shape"))
    first = made[0]
    maps, decays = {}, {n: {} for n in first.region_decays}  # type: dict[str, Image], dict[str, dict[str, float]]
    for m, one in zip(windows.split.members, made, strict=True):
        maps |= {q: image for q, image in one.maps.items() if owner[q] == m}
        for name, found in one.region_decays.items():
            decays[name] |= {q: v for q, v in found.items() if owner[q] == m}
    told = ["Within a region, each window's decays lie as its counts do, cross-talk included."]
    told += _noisy(registered, labels, windows)
    return replace(first, maps=maps, region_decays=decays, notes=tuple(dict.fromkeys([*first.notes, *told])))


def _noisy(registered: Registered, labels: Labels, windows: WindowCurves) -> list[str]:
    """Regions whose voxels hold so few counts, all times together, that their histogram is noise."""
    counts = np.zeros(labels.grid.shape)
    for study in windows.split.plain.values():
        for image in registered.__class__(
            _lying(registered, study), registered.reference, registered.transforms
        ).emissions():
            if image.sigma is not None:
                counts += (
                    np.divide(image.array, image.sigma, out=np.zeros(image.grid.shape), where=image.sigma > 0) ** 2
                )
    named = [
        n for n, mask in labels.masks.items() if float(np.sum(mask.astype(float) * counts)) < LEAST * float(mask.sum())
    ]
    if not named:
        return []
    return [
        f"Fewer than {LEAST:g} counts in a voxel, all images together: in {', '.join(named)} the dose of single voxels (D98, D2, the "
        "histogram, BED) is noise. The mean dose is not."
    ]


# --- what is told ----------------------------------------------------------------------------------------------------


def windows_result(
    windows: WindowCurves, case: ImagesCase, courses: Mapping[str, tuple[TimeActivity, ...]]
) -> WindowsResult:
    """Which window drives what, and how far each region is from equilibrium."""
    split, owner = windows.split, driven_by(windows.split)
    first = split.members[0]
    rows = tuple(
        WindowRow(
            split.window_of[m], case.windows[split.window_of[m]].energy_keV, split.shown[m], m, split.ratio[m],
            case.windows[split.window_of[m]].cps_per_MBq, dict(case.windows[split.window_of[m]].crosstalk),
            tuple(q for q, o in owner.items() if o == m),
        )
        for m in split.members
    )  # fmt: skip
    drawn = decays_drawn(windows)
    course = chain_kinetics({r: c.curve.exponentials() for r, c in windows.carrier.curves.items()}, first, InPlace())
    in_place = integrate(course).decays
    ratios: list[RatioRow] = []
    for row, name in enumerate(windows.carrier.regions):
        for m in split.members[1:]:
            pair = split.shown[m], split.shown[first]
            for k, t in enumerate(windows.carrier.times_h):
                seen = windows.chain[row][k]
                falling = np.exp(-float(t) * course.rate.isel(sample=0))
                there = (course.amplitude.isel(sample=0).sel(region=name) * falling).sum("term")
                in_equilibrium = float(there.sel(nuclide=pair[0]) / there.sel(nuclide=pair[1]))
                ratios.append(_at_time(name, float(t), pair, seen, in_equilibrium))
            values = (drawn.sel(region=name, nuclide=m) / drawn.sel(region=name, nuclide=first)).values
            expected = float(in_place.sel(region=name, nuclide=m)[0] / in_place.sel(region=name, nuclide=first)[0])
            nominal = _integral(windows.found[m].curves[name]) / _integral(windows.carrier.curves[name])
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            low, high = np.quantile(values, (0.025, 0.975)).tolist() if len(values) > 1 else (math.nan, math.nan)
            ratios.append(RatioRow(name, None, m, first, nominal, sd, expected, low, high))
    for m in split.members[1:]:
        ratios.append(_of_all(windows, drawn, m, first))
    return WindowsResult(first, rows, tuple(ratios), tuple(c for m in split.members[1:] for c in courses[m]))


def _of_all(windows: WindowCurves, drawn: Any, m: str, first: str) -> RatioRow:
    """All regions together: a daughter decays no more often than it is fed, unless it came from outside the images."""
    values = (drawn.sel(nuclide=m).sum("region") / drawn.sel(nuclide=first).sum("region")).values
    nominal = sum(map(_integral, windows.found[m].curves.values())) / sum(
        map(_integral, windows.carrier.curves.values())
    )
    low, high = np.quantile(values, (0.025, 0.975)).tolist() if len(values) > 1 else (math.nan, math.nan)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    every = integrate(chain_kinetics({"all": ([1.0], [1.0])}, first, InPlace())).decays
    expected = float(every.sel(nuclide=m)[0, 0] / every.sel(nuclide=first)[0, 0])
    return RatioRow(ALL, None, m, first, nominal, sd, expected, low, high)


def _integral(curve: CurveSamples) -> float:
    return float(curve.curve.time_integrated_activity_MBq_h)


def _at_time(name: str, t: float, pair: tuple[str, str], seen: ChainActivities | None, expected: float) -> RatioRow:
    """The ratio of two activities beside what it is where every daughter stays, which the carrier's curve there tells."""
    try:
        value, sd = (math.nan, math.nan) if seen is None else seen.ratio(*pair)
    except ImageError:  # the one below is not seen
        value, sd = math.nan, math.nan
    return RatioRow(name, t, *pair, value, sd, expected, value - K95 * sd, value + K95 * sd)
