"""Made-up studies with known truth: an anatomy, curves of activity, a scanner; DICOM comes out, and the truth beside it.

`make_phantom` writes a folder: ``dicom/`` with CT, SPECT or PET and contours of every visit, ``truth/`` with what is
inside. The image of a visit is made in four steps. (1) Each voxel of the anatomy is split; its parts, moved with the
patient, share their activity with the voxels of the scanner in proportion to the overlap: no activity is lost. (2) A
Gaussian blurs it (its variance adds to that of the activity); scattered counts are a wider Gaussian on top. (3) Poisson
counts are drawn, mean = sensitivity x integral of the activity over the acquisition. (4) A filter may follow.
Equations and limits: docs/phantom.md.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..catalog.phantoms import image_anatomy
from ..errors import ImageError, suggestion
from ..physics.hounsfield import HU_LIMITS, density_from_hu, hu_from_density
from ..physics.nuclides import nuclide as nuclide_of
from . import _objects
from ._files import folder_for, new_folder, text_file
from ._phantom_chain import Terms, chain_terms, check_conservation, integral, mean_activity, therapy_terms
from ._phantom_spec import BodyPiece, PhantomSpec, Pose, Uptake, load_phantom, phantom_digests, phantom_schema
from .dicom import needed
from .nifti import write_nifti
from .values import Grid, Image, Labels

__all__ = ["PhantomTruth", "load_phantom", "make_phantom", "phantom_digests", "phantom_schema"]

Array = npt.NDArray[np.float64]
PART_MM, MOST_PARTS = 1.5, 4  # edge of the parts of a voxel of the anatomy where four a side are enough for it
FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
BACKGROUND, BODY = "background", "body"
LESION_HU = 50.0
DECAYS_PER_MBQ_H = 3.6e9


@dataclass(frozen=True, eq=False)
class PhantomTruth:
    """What is inside a phantom.

    Attributes
    ----------
    folder : Path
        What was written.
    nuclide : str
    times_h : array[time]
        Start of each acquisition after the administration.
    activity_MBq : dict of str to array[time]
        At those times, by region.
    mean_activity_MBq : dict of str to array[time]
        Mean over each acquisition: what an image that is not decay-corrected shows.
    middle_h : array[time]
        Middle of each acquisition.
    middle_activity_MBq : dict of str to array[time]
        At the middle.
    decays : dict of str to float
        From the administration on, for ever.
    volume_mL, mass_g : dict of str to float
    dose_Gy : dict of str to float
        Mean absorbed dose; empty unless the phantom asks for it.
    by_nuclide : dict of str to dict of str to dict
        Of a chain: the same by region and nuclide, and decays in MBq h.
    therapy : dict
        Where the images stand for another nuclide: its time-integrated activity (and dose) by region.
    labels : Labels
        Regions on the grid of the first CT as shipped (no pose), as shares of voxels.
    to_visit : array[time, 4, 4]
        From places in the anatomy to places in the CT of each visit, LPS mm.
    Bq_per_mL_per_count : float
        Calibration: what a count in a voxel of the emission image is worth, as a mean over the acquisition.
    """

    folder: pathlib.Path
    nuclide: str
    administered_MBq: float
    administered_at: datetime.datetime
    times_h: Array
    activity_MBq: dict[str, Array]
    mean_activity_MBq: dict[str, Array]
    decays: dict[str, float]
    volume_mL: dict[str, float]
    mass_g: dict[str, float]
    labels: Labels
    to_visit: Array
    Bq_per_mL_per_count: float
    seed: int
    dose_Gy: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    by_nuclide: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    therapy: dict[str, Any] = field(default_factory=dict)
    middle_h: Array = field(default_factory=lambda: np.zeros(0))
    middle_activity_MBq: dict[str, Array] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for truth.json."""
        regions = {
            name: {
                "activity_MBq": self.activity_MBq[name].tolist(),
                "mean_activity_MBq": self.mean_activity_MBq[name].tolist(),
                "middle_activity_MBq": self.middle_activity_MBq[name].tolist(),
                "time_integrated_activity_MBq_h": self.decays[name] / DECAYS_PER_MBQ_H,
                "decays": self.decays[name],
                "volume_mL": self.volume_mL[name],
                "mass_g": self.mass_g[name],
                **({"absorbed_dose_Gy": self.dose_Gy[name]} if name in self.dose_Gy else {}),
                **({"by_nuclide": self.by_nuclide[name]} if name in self.by_nuclide else {}),
            }
            for name in self.activity_MBq
        }
        return {
            "nuclide": self.nuclide,
            "administered_MBq": self.administered_MBq,
            "administered_at": self.administered_at.isoformat(),
            "times_h": self.times_h.tolist(),
            "middle_h": self.middle_h.tolist(),
            "Bq_per_mL_per_count": self.Bq_per_mL_per_count,
            "seed": self.seed,
            "regions": regions,
            **({"therapy": self.therapy} if self.therapy else {}),
            "to_visit_LPS_mm": self.to_visit.tolist(),
            "notes": list(self.notes),
        }


def make_phantom(
    spec: str | pathlib.Path | Mapping[str, Any] | PhantomSpec,
    folder: str | pathlib.Path,
    *,
    seed: int | None = None,
    progress: Callable[[str], object] | None = None,
) -> PhantomTruth:
    """Write a made-up study with known truth as DICOM.

    Parameters
    ----------
    spec : path, mapping or PhantomSpec
        The phantom: a YAML file such as examples/phantom-177lu.yaml, or a mapping as written in one.
    folder : path
        New or empty; it appears whole or not at all.
    seed : int, optional
        In place of the phantom's own. The same phantom and seed give the same bytes.
    progress : callable, optional
        Called with the name of each step.

    Returns
    -------
    PhantomTruth

    Raises
    ------
    CaseError
        The phantom cannot be used as written.
    ImageError
        A region is not in the anatomy, or lies outside the images.
    OutputError
        The folder is not empty or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> curve = [{"fraction": "1 %", "half_life": "50 h"}]
    >>> spec = {"phantom": "small", "nuclide": "Lu-177", "administered_activity": "7.4 GBq",
    ...         "administered_at": "2026-03-02T09:00:00+01:00", "regions": {"spleen": {"curve": curve}},
    ...         "scanner": {"times": ["24 h"], "voxel": "12 mm", "matrix": 32, "fwhm": "0 mm"}, "contours": "none"}
    >>> with tempfile.TemporaryDirectory() as place:
    ...     truth = make_phantom(spec, place + "/study", seed=3)
    >>> round(float(truth.activity_MBq["spleen"][0]), 3), round(truth.volume_mL["spleen"], 1)
    (53.056, 255.2)
    """
    told = progress or (lambda step: None)
    asked = load_phantom(spec)
    if seed is not None:
        if not 0 <= seed < 2**63:
            raise ImageError(f"A seed is a whole number from 0 to 2^63 - 1; given was {seed}.")
        asked = asked.model_copy(update={"seed": seed})
    with needed():
        import highdicom  # noqa: F401
        import nibabel  # noqa: F401
    told("anatomy")
    study = _Study.of(asked)
    check_conservation(asked, {n: study.terms(n) for n in study.uptakes})
    with new_folder(folder) as place:
        for k in range(len(asked.scanner.times_h)):
            told(f"visit {k + 1} of {len(asked.scanner.times_h)}")
            _write_visit(study, k, place / "dicom" / f"visit-{k + 1}")
        told("truth")
        truth = study.truth(pathlib.Path(folder))
        _write_truth(study, truth, place / "truth")
    return truth


# --- anatomy ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Anatomy:
    """HU and the region of each voxel: ``names[owner]``; 0 is outside the body, the last is what no region claims."""

    hu: npt.NDArray[np.float32]
    grid: Grid
    owner: npt.NDArray[np.int16]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def _anatomy_of(spec: PhantomSpec) -> _Anatomy:
    if isinstance(spec.anatomy, BodyPiece):
        hu, grid, labels, known, notes = _stylised(spec.anatomy)
    else:
        hu, grid, labels, known, notes = _carried(spec.anatomy)
    names = [name for name in spec.regions if name != BACKGROUND]
    for name in names:
        if name not in known:
            hint = suggestion(name, [*known, BACKGROUND])
            raise ImageError(
                f"The anatomy has no region {name!r}. {hint}Known: {BACKGROUND}, {', '.join(sorted(known))}."
            )
    owner = np.where(_inside(hu, labels > 0), np.int16(len(names) + 1), np.int16(0))
    for number, name in enumerate(names, start=1):
        here = labels == known[name]
        if not here.any():
            raise ImageError(f"No voxel of {name} lies in this anatomy; choose a larger piece, or leave it out.")
        owner[here] = number
    return _Anatomy(hu, grid, owner, ("", *names, BACKGROUND), notes)


def _inside(hu: npt.NDArray[np.float32], labelled: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The body: the largest piece above -300 HU, its holes (lung, bowel gas) filled slice by slice."""
    from scipy import ndimage

    pieces, _ = ndimage.label(hu > -300)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body = pieces == int(sizes.argmax())
    return np.stack([ndimage.binary_fill_holes(s) for s in body]) | labelled


def _carried(name: str) -> tuple[npt.NDArray[np.float32], Grid, npt.NDArray[np.int16], dict[str, int], tuple[str, ...]]:
    """A CT of the catalogue; its axes run right, front, up, and are turned to left, back, up."""
    import nibabel

    entry = image_anatomy(name)
    ct, labels = nibabel.load(entry.ct_path), nibabel.load(entry.labels_path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(ct.affine, dtype=float)
    hu = np.asarray(ct.dataobj, dtype=np.float32).transpose(2, 1, 0)[:, ::-1, ::-1]
    numbers = np.asarray(labels.dataobj).astype(np.int16).transpose(2, 1, 0)[:, ::-1, ::-1]
    nz, ny, nx = hu.shape
    turned = affine @ np.array([[-1.0, 0, 0, nx - 1], [0, -1.0, 0, ny - 1], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    grid = Grid((nz, ny, nx), turned)
    return np.ascontiguousarray(hu), grid, np.ascontiguousarray(numbers), dict(entry.regions), (entry.note,)


def _stylised(
    piece: BodyPiece,
) -> tuple[npt.NDArray[np.float32], Grid, npt.NDArray[np.int16], dict[str, int], tuple[str, ...]]:
    """A slab of a stylised body: the CT numbers that stand for its densities, so that a reader finds these; air outside."""
    from ..transport.bodies import voxel_body

    whole = voxel_body(piece.body, piece.voxel_mm / 10)
    z = whole.origin_cm[2] + (np.arange(whole.labels.shape[0]) + 0.5) * whole.edge_cm
    kept = np.flatnonzero((z >= piece.bottom_cm) & (z <= piece.top_cm))
    labels = np.pad(whole.labels[kept], ((0, 0), (3, 3), (3, 3))).astype(np.int16)
    density = [0.0, *(whole.body.tissues[whole.body.regions[n].tissue].density.value for n in whole.names[1:])]
    hu = np.array([-1000.0, *hu_from_density(density[1:])], np.float32)[labels]
    x0, y0 = (10 * (whole.origin_cm[i] + (0.5 - 3) * whole.edge_cm) for i in (0, 1))
    affine: Array = np.diag([piece.voxel_mm] * 3 + [1.0])
    affine[:3, 3] = x0, y0, 10 * z[kept[0]]
    present = set(np.unique(labels).tolist())
    known = {name: n for n, name in enumerate(whole.names) if n and n in present}
    return hu, Grid(labels.shape, affine), labels, known, (f"A piece of the stylised body {piece.body!r}.",)


# --- the study -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Study:
    """The anatomy with its lesions, and everything that follows from it once."""

    spec: PhantomSpec
    anatomy: _Anatomy
    names: tuple[str, ...]  # by number of owner; 0 is nothing
    uptakes: dict[str, Uptake]
    parts: tuple[tuple[Array, npt.NDArray[np.int16]], ...]  # offset of a part in voxels (x, y, z), and owners
    shares: dict[str, npt.NDArray[np.float32]]

    @staticmethod
    def of(spec: PhantomSpec) -> _Study:
        """Split voxels into parts and give every part to the region or the lesion that holds it."""
        anatomy = _anatomy_of(spec)
        names = (*anatomy.names, *spec.lesions)
        split = [min(MOST_PARTS, max(1, math.ceil(mm / PART_MM - 1e-9))) for mm in anatomy.grid.voxel_mm[::-1]]
        part = max(mm / n for mm, n in zip(anatomy.grid.voxel_mm[::-1], split, strict=True))
        if spec.scanner.voxel_mm < part - 1e-9:
            raise ImageError(
                f"The voxels of the scanner ({spec.scanner.voxel_mm:g} mm) are smaller than the parts ({part:g} mm) that the "
                "anatomy is made of; choose larger ones."
            )
        steps = [(np.arange(n) + 0.5) / n - 0.5 for n in split]
        parts, counts = [], np.zeros((len(names), anatomy.owner.size), dtype=np.uint8)
        for offset in (np.array([a, b, c]) for c in steps[2] for b in steps[1] for a in steps[0]):
            owner = anatomy.owner.copy()
            for number, lesion in enumerate(spec.lesions.values(), start=len(anatomy.names)):
                box, inside = _ball(anatomy.grid, offset, lesion.centre_mm, lesion.diameter_mm / 2)
                owner[box][inside & (owner[box] > 0)] = number
            parts.append((offset, owner))
            counts[owner.ravel(), np.arange(owner.size)] += 1
        shape, n_parts = anatomy.owner.shape, len(parts)
        shares = {
            name: (counts[i].reshape(shape) / np.float32(n_parts)).astype(np.float32)
            for i, name in enumerate(names) if i
        }  # fmt: skip
        for name, lesion in spec.lesions.items():
            volume = float(shares[name].sum(dtype=float)) * anatomy.grid.voxel_mL
            whole = math.pi / 6 * lesion.diameter_mm**3 / 1000
            if volume < 0.5 * whole:
                raise ImageError(
                    f"Less than half of the lesion {name!r} ({volume:.3g} of {whole:.3g} mL) lies in the body of the CT; "
                    f"its centre is at {list(lesion.centre_mm)} mm. {_extent(anatomy.grid)}"
                )
        return _Study(spec, anatomy, names, {**spec.regions, **spec.lesions}, tuple(parts), shares)

    # --- numbers ---------------------------------------------------------------------------------------------------

    def volume_mL(self, name: str) -> float:
        """Volume of a region."""
        return float(self.shares[name].sum(dtype=float)) * self.anatomy.grid.voxel_mL

    def activity_MBq(self, name: str, time_h: float, duration_h: float = 0.0) -> float:
        """Activity at a time, or its mean over a duration."""
        total = 0.0
        for fraction, rate in self.spec.terms(self.uptakes[name]):
            mean = -math.expm1(-rate * duration_h) / (rate * duration_h) if duration_h > 0 else 1.0
            total += fraction * math.exp(-rate * time_h) * mean
        return total * self.spec.administered_activity_MBq

    def decays(self, name: str) -> float:
        """Decays from the administration on."""
        terms = self.spec.terms(self.uptakes[name])
        return sum(f / r for f, r in terms) * self.spec.administered_activity_MBq * DECAYS_PER_MBQ_H

    def terms(self, name: str) -> dict[str, Terms]:
        """Activity of each member of the chain, as a sum of exponentials."""
        return chain_terms(self.spec, self.uptakes[name])

    def per_voxel(self, amounts: Mapping[str, float]) -> Array:
        """An amount by region as a map [z, y, x], spread evenly over each region."""
        made = np.zeros(self.anatomy.grid.shape)
        for name, amount in amounts.items():
            share = self.shares[name]
            made += share * (amount / float(share.sum(dtype=float)))
        return made

    @property
    def split(self) -> tuple[int, int, int]:
        """Parts of a voxel along z, y, x."""
        counts = [len({round(float(offset[axis]), 6) for offset, _ in self.parts}) for axis in (2, 1, 0)]
        return counts[0], counts[1], counts[2]

    def tissue_density(self) -> Array:
        """g/cm3 of the anatomy without lesions: what its CT number stands for."""
        return density_from_hu(np.clip(self.anatomy.hu.astype(float), *HU_LIMITS))

    def mass_g(self, name: str) -> float:
        """Mass of a region: the density of its CT, or that of a lesion."""
        density = _lesion_density() if name in self.spec.lesions else self.tissue_density()
        return float((self.shares[name] * density).sum(dtype=float)) * self.anatomy.grid.voxel_mL

    # --- geometry --------------------------------------------------------------------------------------------------

    def pose(self, k: int) -> Pose:
        """How the patient lies at visit k."""
        return self.spec.poses[k] if self.spec.poses else Pose()

    def to_visit(self, k: int) -> Array:
        """4 x 4: from places in the anatomy to places in the CT of visit k; turned about the middle of the anatomy."""
        pose, centre = self.pose(k), _middle(self.anatomy.grid)
        made = np.eye(4)
        made[:3, :3] = _rotation(pose.rotation_deg)
        made[:3, 3] = centre - made[:3, :3] @ centre + np.array(pose.shift_mm)
        return made

    def reach_mm(self) -> Array:
        """How far any corner of the anatomy moves, x, y, z."""
        corners = _corners(self.anatomy.grid)
        moved = [
            np.abs((self.to_visit(k) @ corners - corners)[:3]).max(axis=1)
            for k in range(len(self.spec.scanner.times_h))
        ]
        return np.asarray(np.max(moved, axis=0))

    def ct_grid(self) -> Grid:
        """Grid of every CT: that of the anatomy, or with other voxels, wide enough for all poses."""
        grid, reach = self.anatomy.grid, self.reach_mm()
        pixel, thick = self.spec.ct.pixel_mm, self.spec.ct.slice_mm
        old = np.array(grid.voxel_mm[::-1])
        given = (pixel, pixel, thick)
        new = np.array([o if g is None else g for g, o in zip(given, old, strict=True)])
        side = np.array(grid.shape[::-1]) * old
        if np.array_equal(new, old):
            margin = np.ceil(reach / old - 1e-6)
            count = np.array(grid.shape[::-1]) + 2 * margin
        else:
            count = np.ceil((side + 2 * reach) / new - 1e-6)
        return _centred(_middle(grid), count, new)

    def emission_grid(self) -> Grid:
        """Grid of every emission image, about the middle of the anatomy."""
        s, grid = self.spec.scanner, self.anatomy.grid
        drift = max((abs(self.pose(k).emission_shift_mm[2]) for k in range(len(s.times_h))), default=0.0)
        length = grid.shape[0] * grid.voxel_mm[0] + 2 * (self.reach_mm()[2] + drift + 2 * s.fwhm_mm)
        slices = s.slices or math.ceil(length / s.voxel_mm)
        return _centred(_middle(grid), np.array([s.matrix, s.matrix, slices]), np.full(3, s.voxel_mm))

    # --- truth -----------------------------------------------------------------------------------------------------

    def truth(self, folder: pathlib.Path) -> PhantomTruth:
        """Everything that is known."""
        s, names = self.spec.scanner, tuple(self.uptakes)
        hours = s.duration_s / 3600.0
        volume = s.voxel_mm**3 / 1000.0
        decays = {n: self.decays(n) for n in names}
        masks: dict[str, npt.NDArray[np.generic]] = {n: self.shares[n] for n in names}
        notes = list(self.anatomy.notes)
        if s.scatter_fraction:
            notes.append(
                f"{100 * s.scatter_fraction:g} % of all counts are scattered; the calibration does not correct for them."
            )
        dose: dict[str, float] = {}
        therapy: dict[str, Any] = {}
        if self.spec.therapy is not None:
            asked = self.spec.therapy
            found = {n: {q: integral(t) for q, t in therapy_terms(self.spec, self.uptakes[n]).items()} for n in names}
            therapy = {"nuclide": asked.nuclide, "administered_MBq": asked.administered_activity_MBq,
                       "regions": {n: {"time_integrated_activity_MBq_h": v[asked.nuclide], "by_nuclide_MBq_h": v} for n, v in found.items()}}  # fmt: skip
            notes.append(f"Absorbed dose is that of {asked.administered_activity_MBq:g} MBq of {asked.nuclide}.")
        if self.spec.dose != "none":
            notes.append(
                f"Absorbed dose by the {self.spec.dose} method from the true decays, mean by mass over each region, edges of "
                "lesions part by part."
            )
            dose = dict(zip(self.names[1:], self.doses[0][1:].tolist(), strict=True))
            for n in names if therapy else ():
                therapy["regions"][n]["absorbed_dose_Gy"] = dose[n]
        return PhantomTruth(
            folder=folder,
            nuclide=self.spec.nuclide,
            administered_MBq=self.spec.administered_activity_MBq,
            administered_at=self.spec.administered_at,
            times_h=np.array(s.times_h),
            activity_MBq={n: np.array([self.activity_MBq(n, t) for t in s.times_h]) for n in names},
            mean_activity_MBq={n: np.array([self.activity_MBq(n, t, hours) for t in s.times_h]) for n in names},
            middle_h=np.array(s.times_h) + hours / 2,
            middle_activity_MBq={n: np.array([self.activity_MBq(n, t + hours / 2) for t in s.times_h]) for n in names},
            decays=decays,
            volume_mL={n: self.volume_mL(n) for n in names},
            mass_g={n: self.mass_g(n) for n in names},
            labels=Labels(masks, self.anatomy.grid, source="truth of a phantom"),
            to_visit=np.stack([self.to_visit(k) for k in range(len(s.times_h))]),
            Bq_per_mL_per_count=1e6 / (s.sensitivity_cps_per_MBq * s.duration_s * volume),
            seed=self.spec.seed,
            dose_Gy=dose,
            notes=tuple(n for n in notes if n),
            by_nuclide={n: self.by_nuclide(n) for n in names} if len(nuclide_of(self.spec.nuclide).chain) > 1 else {},
            therapy=therapy,
        )

    def by_nuclide(self, name: str) -> dict[str, dict[str, Any]]:
        """What is known of each member of the chain in a region."""
        s = self.spec.scanner
        return {
            q: {"activity_MBq": [mean_activity(t, h) for h in s.times_h],
                "mean_activity_MBq": [mean_activity(t, h, s.duration_s / 3600.0) for h in s.times_h],
                "middle_activity_MBq": [mean_activity(t, h + s.duration_s / 7200.0) for h in s.times_h],
                "time_integrated_activity_MBq_h": integral(t)}
            for q, t in self.terms(name).items()
        }  # fmt: skip

    @functools.cached_property
    def doses(self) -> tuple[Array, Array]:
        """Mean absorbed dose by number of region, and of each voxel of the anatomy, Gy, of the true decays of the whole chain.

        It is that of the therapy nuclide where the phantom names one.
        """
        from ._phantom_dose import DoseProblem, region_doses

        held: dict[str, Array] = {}
        for n, uptake in self.uptakes.items():
            terms = self.terms(n) if self.spec.therapy is None else therapy_terms(self.spec, uptake)
            for q, t in terms.items():
                amounts = held.setdefault(q, np.zeros(len(self.names)))
                amounts[self.names.index(n)] = integral(t) * DECAYS_PER_MBQ_H
        lesions = {i: _lesion_density() for i, n in enumerate(self.names) if n in self.spec.lesions}
        return region_doses(DoseProblem(
            "convolution" if self.spec.dose == "convolution" else "local", self.anatomy.grid.voxel_mm, self.split,
            self.parts, {q: a for q, a in held.items() if a.any()}, self.tissue_density(), lesions,
        ))  # fmt: skip


def _lesion_density() -> float:
    return float(density_from_hu(LESION_HU))


def _ball(grid: Grid, offset: Array, centre_mm: tuple[float, float, float], radius_mm: float) -> Any:
    """A box of voxels round a sphere, and which of its parts at an offset lie inside."""
    middle = (np.linalg.inv(grid.affine) @ np.array([*centre_mm, 1.0]))[:3]
    sides = np.array(grid.voxel_mm[::-1])
    low = np.maximum(np.floor(middle - radius_mm / sides - 1), 0).astype(int)
    high = np.clip(np.ceil(middle + radius_mm / sides + 2), low, np.array(grid.shape[::-1])).astype(int)
    x, y, z = ((np.arange(a, b) + o - m) * s for a, b, o, m, s in zip(low, high, offset, middle, sides, strict=True))
    inside = z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 <= radius_mm**2
    return tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True)), inside


def _rotation(degrees: tuple[float, float, float]) -> Array:
    """About x, then y, then z."""
    made = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        made = turn @ made
    return made


def _middle(grid: Grid) -> Array:
    nz, ny, nx = grid.shape
    return np.asarray((grid.affine @ np.array([(nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2, 1.0]))[:3])


def _corners(grid: Grid) -> Array:
    nz, ny, nx = (n - 0.5 for n in grid.shape)
    ends = [[x, y, z, 1.0] for x in (-0.5, nx) for y in (-0.5, ny) for z in (-0.5, nz)]
    return np.asarray(grid.affine @ np.array(ends).T)


def _extent(grid: Grid) -> str:
    corners = _corners(grid)[:3]
    told = zip("xyz", corners.min(axis=1), corners.max(axis=1), strict=True)
    return "The CT reaches " + ", ".join(f"{axis} from {a:.0f} to {b:.0f}" for axis, a, b in told) + " mm."


def _centred(middle: Array, count: Array, voxel: Array) -> Grid:
    affine = np.diag([*voxel, 1.0])
    affine[:3, 3] = middle - voxel * (count - 1) / 2
    return Grid((int(count[2]), int(count[1]), int(count[0])), affine)


# --- images ----------------------------------------------------------------------------------------------------------


def _resampled(values: npt.NDArray[np.floating], source: Grid, target: Grid, to_visit: Array, outside: float) -> Array:
    """Linear interpolation of `values` on `source`, moved by `to_visit`, at the voxels of `target`."""
    from scipy import ndimage

    turn = np.linalg.inv(source.affine) @ np.linalg.inv(to_visit) @ target.affine
    matrix, shift = turn[2::-1, 2::-1], turn[2::-1, 3]
    return np.asarray(
        ndimage.affine_transform(
            values, matrix, shift, output_shape=target.shape, order=1, mode="grid-constant", cval=outside, output=float
        )
    )


def _deposited(study: _Study, amounts: Mapping[str, float], grid: Grid, to_image: Array) -> Array:
    """Amounts by region as a map on a grid: every part of a voxel shares out what it holds by its overlap.

    A part is taken as a box along the axes of the image; with a turned patient that errs by a share of the part's size.
    """
    source = study.anatomy.grid
    size = [float(study.shares[n].sum(dtype=float)) for n in study.names[1:]]
    wanted = [amounts.get(n, 0.0) for n in study.names[1:]]
    weight = np.array([0.0, *(a / s if s > 0 else 0.0 for a, s in zip(wanted, size, strict=True))])
    weight /= len(study.parts)
    edge = np.array(source.voxel_mm[::-1]) / np.round(len(study.parts) ** (1 / 3))
    to_index = np.linalg.inv(grid.affine) @ to_image @ source.affine
    half = edge / np.array(grid.voxel_mm[::-1]) / 2
    shape = np.array(grid.shape[::-1])
    total = np.zeros(int(shape.prod()))
    for offset, owner in study.parts:
        z, y, x = np.nonzero(weight[owner] > 0)
        held = weight[owner[z, y, x]]
        at = to_index[:3, :3] @ (np.stack([x, y, z]) + offset[:, None]) + to_index[:3, 3:] + 0.5
        first = np.floor(at - half[:, None])
        low = np.clip((first + 1 - (at - half[:, None])) / (2 * half[:, None]), 0.0, 1.0)
        for corner in np.ndindex(2, 2, 2):
            share = held.copy()
            place = np.empty_like(at, dtype=np.int64)
            for axis, up in enumerate(corner):
                share *= 1 - low[axis] if up else low[axis]
                place[axis] = first[axis] + up
            there = (share > 0) & ((place >= 0) & (place < shape[:, None])).all(axis=0)
            flat = (place[2, there] * shape[1] + place[1, there]) * shape[0] + place[0, there]
            total += np.bincount(flat, share[there], total.size)
    return total.reshape(grid.shape)


def _share(study: _Study, names: Sequence[str], grid: Grid, move: Array) -> Array:
    """Share of each voxel of a CT that regions fill at a visit; interpolated where the CT is finer than the parts."""
    source = study.anatomy.grid
    part = np.array(source.voxel_mm) / round(len(study.parts) ** (1 / 3))
    if (np.array(grid.voxel_mm) < part - 1e-9).any():
        whole = np.asarray(sum(study.shares[n] for n in names), dtype=np.float32)
        return _resampled(whole, source, grid, move, 0.0)
    volumes = {n: study.volume_mL(n) for n in names if study.shares[n].any()}
    return _deposited(study, volumes, grid, move) / grid.voxel_mL


def _blurred(values: Array, fwhm_mm: float, grid: Grid) -> Array:
    """Convolution with a Gaussian; what leaves the grid is lost."""
    from scipy import ndimage

    if fwhm_mm == 0:
        return values
    sigma = [fwhm_mm / FWHM / mm for mm in grid.voxel_mm]
    return np.asarray(ndimage.gaussian_filter(values, sigma, mode="constant", truncate=6.0))


def _expected_counts(study: _Study, k: int, grid: Grid) -> Array:
    """Mean counts of every voxel at visit k."""
    s = study.spec.scanner
    mean = {n: study.activity_MBq(n, s.times_h[k], s.duration_s / 3600.0) for n in study.uptakes}
    moved = np.eye(4)
    moved[:3, 3] = study.pose(k).emission_shift_mm
    per_MBq = s.sensitivity_cps_per_MBq * s.duration_s
    primary = _deposited(study, mean, grid, moved @ study.to_visit(k)) * per_MBq
    counts = _blurred(primary, s.fwhm_mm, grid)
    if s.scatter_fraction > 0:
        wide = math.hypot(s.fwhm_mm, s.scatter_fwhm_mm)
        counts = counts + _blurred(primary, wide, grid) * (s.scatter_fraction / (1 - s.scatter_fraction))
    return np.maximum(counts, 0.0)


def _window_counts(study: _Study, k: int, grid: Grid, name: str) -> Array:
    """Mean counts of every voxel in one energy window at visit k: of each nuclide that it counts."""
    s, window = study.spec.scanner, study.spec.scanner.windows[name]
    held = {}
    for n in study.uptakes:
        terms = study.terms(n)
        rates = [
            v * mean_activity(terms[q], s.times_h[k], s.duration_s / 3600.0) for q, v in window.cps_per_MBq.items()
        ]
        held[n] = sum(rates) * s.duration_s
    moved = np.eye(4)
    moved[:3, 3] = study.pose(k).emission_shift_mm
    return np.maximum(_blurred(_deposited(study, held, grid, moved @ study.to_visit(k)), s.fwhm_mm, grid), 0.0)


def _counts(study: _Study, k: int, grid: Grid, window: str = "") -> Array:
    """What the scanner shows at visit k."""
    s = study.spec.scanner
    counts = _window_counts(study, k, grid, window) if window else _expected_counts(study, k, grid)
    if s.noise:
        words = f"phantom|{study.spec.seed}|{k}" + (f"|{window}" if window else "")
        key = hashlib.sha256(words.encode()).digest()[:16]
        stream = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        counts = stream.poisson(counts).astype(float)
    return _blurred(counts, s.filter_fwhm_mm, grid)


# --- files -----------------------------------------------------------------------------------------------------------


def _visit(study: _Study, k: int) -> _objects.Visit:
    spec = study.spec
    started = spec.administered_at + datetime.timedelta(hours=spec.scanner.times_h[k])
    words = ("phantom", spec.sha256(), spec.seed)
    title = f"{spec.phantom}, visit {k + 1}"
    return _objects.Visit(words, "PHANTOM^ALPHATWIN", f"PHANTOM-{spec.seed}", k + 1, started, title[:64])


def _tracer(spec: PhantomSpec, window: str = "") -> _objects.Tracer:
    half_life = nuclide_of(spec.nuclide).half_life_h
    limits = spec.scanner.windows[window].energy_keV if window else _window(spec.nuclide)
    return _objects.Tracer(
        spec.nuclide, half_life, spec.agent, spec.administered_activity_MBq, spec.administered_at, limits, window
    )


def _window(nuclide: str) -> tuple[float, float] | None:
    """An energy window of 20 % about the most frequent photon of 60 keV or more that the nuclide emits."""
    table = nuclide_of(nuclide).emissions("photon")
    energy, share = table["energy_MeV"].to_numpy() * 1000.0, table["yield_per_decay"].to_numpy()
    seen = energy >= 60
    if not seen.any():
        return None
    peak = float(energy[seen][int(np.argmax(share[seen]))])
    return round(0.9 * peak, 1), round(1.1 * peak, 1)


def _write_visit(study: _Study, k: int, folder: pathlib.Path) -> None:
    """CT, emission image and contours of one visit."""
    spec, scanner, visit = study.spec, study.spec.scanner, _visit(study, k)
    move, ct_grid = study.to_visit(k), study.ct_grid()
    hu = study.anatomy.hu.copy()
    for name in spec.lesions:
        share = study.shares[name]
        hu = hu * (1 - share) + np.float32(LESION_HU) * share
    slices = list(_objects.ct_slices(visit, _resampled(hu, study.anatomy.grid, ct_grid, move, -1000.0), ct_grid))
    _save_all(slices, folder / "CT")
    grid = study.emission_grid()
    for window in scanner.windows:
        made = _objects.nm_spect(
            visit, _counts(study, k, grid, window), grid, _tracer(spec, window), scanner.duration_s, None
        )
        _save_all([made], folder / f"NM-{window}")
    if not scanner.windows:
        _write_emission(study, k, visit, grid, folder)
    if spec.contours != "none" and (k == 0 or spec.contoured_at == "all"):
        _write_contours(study, visit, slices, ct_grid, move, folder)


def _write_emission(study: _Study, k: int, visit: _objects.Visit, grid: Grid, folder: pathlib.Path) -> None:
    """The one emission image of a visit without energy windows."""
    spec, scanner = study.spec, study.spec.scanner
    counts = _counts(study, k, grid)
    worth = 1e6 / (scanner.sensitivity_cps_per_MBq * scanner.duration_s * grid.voxel_mL)
    if scanner.modality == "NM":
        told = worth if scanner.calibration_in_object else None
        _save_all([_objects.nm_spect(visit, counts, grid, _tracer(spec), scanner.duration_s, told)], folder / "NM")
    else:
        x = math.log(2) * scanner.duration_s / 3600.0 / nuclide_of(spec.nuclide).half_life_h
        factor = x / -math.expm1(-x)
        pet = _objects.pet_slices(visit, counts * worth * factor, grid, _tracer(spec), scanner.duration_s, factor)
        _save_all(list(pet), folder / "PT")


def _save_all(objects: list[Any], folder: pathlib.Path) -> None:
    folder_for(folder)
    for i, data in enumerate(objects, start=1):
        _objects.save(data, folder / f"{i:04d}.dcm")


def _write_contours(
    study: _Study, visit: _objects.Visit, slices: list[Any], grid: Grid, move: Array, folder: pathlib.Path
) -> None:
    """Masks of the regions as they lie at the visit: a voxel belongs where half of it or more does."""
    names = [n for n in study.uptakes if n != BACKGROUND]
    masks = {n: _share(study, (n,), grid, move) >= 0.5 for n in names}
    masks[BODY] = _share(study, study.names[1:], grid, move) >= 0.5
    masks = {n: m for n, m in masks.items() if m.any()}
    if study.spec.contours in ("rtstruct", "both"):
        told = [(str(s.SOPClassUID), str(s.SOPInstanceUID)) for s in slices]
        _save_all([_objects.contours(visit, masks, grid, told)], folder / "RTSTRUCT")
    if study.spec.contours in ("seg", "both"):
        from .writing import segmentation

        labels = Labels({n: m for n, m in masks.items() if n != BODY}, grid, visit.frame_of_reference)
        _save_all([segmentation(labels, slices, words=(*visit.words, visit.number), identity="keep")], folder / "SEG")


def _write_truth(study: _Study, truth: PhantomTruth, folder: pathlib.Path) -> None:
    """truth.json, and maps on the grid of the anatomy as NIfTI."""
    folder_for(folder)
    names = list(study.uptakes)
    data = {"phantom": study.spec.phantom, "title": study.spec.title, **truth.as_dict()}
    data["made_from"] = phantom_digests(study.spec)
    data["labels"] = {name: i for i, name in enumerate(names, start=1)}
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    text_file(folder / "truth.json", text + "\n")
    grid = study.anatomy.grid
    stacked = np.stack([study.shares[n] for n in names])
    largest, held = stacked.argmax(axis=0), stacked.max(axis=0) >= 0.5
    write_nifti(Labels({n: held & (largest == i) for i, n in enumerate(names)}, grid), folder / "labels.nii.gz")
    decays = study.per_voxel({n: study.decays(n) for n in names})
    write_nifti(Image(decays, grid, "decays"), folder / "decays.nii.gz")
    for k in range(len(truth.times_h)):
        activity = study.per_voxel({n: float(truth.activity_MBq[n][k]) for n in names}) / grid.voxel_mL
        write_nifti(Image(activity, grid, "activity_concentration"), folder / f"activity-MBq-per-mL-{k + 1}.nii.gz")
    if study.spec.dose != "none":
        write_nifti(Image(study.doses[1], grid, "absorbed_dose"), folder / "absorbed-dose-Gy.nii.gz")
