"""A case of cells: one cluster, one nuclide, one question, as a frozen, checked value; read like any other case."""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from .. import catalog
from ..errors import CaseError, suggestion
from ._fields import DoseGy, Fraction, LengthUm, Part, TimeH, fault
from .reading import Parts, read_as

__all__ = ["CellsCase", "load_cells"]

PLACES = ("surface", "cytoplasm", "nucleus", "cell", "medium")
MAX_PIXELS = 50_000_000


class CellSizes(Part):
    """One cell: two concentric spheres."""

    radius_um: LengthUm = Field(
        default="5 um", validate_default=True, alias="radius", description="of the cell, e.g. '5 um'"
    )
    nucleus_radius_um: LengthUm = Field(
        default="4 um", validate_default=True, alias="nucleus_radius", description="of the nucleus, e.g. '4 um'"
    )

    @model_validator(mode="after")
    def _nucleus_fits(self) -> Self:
        if self.nucleus_radius_um >= self.radius_um:
            raise fault(
                f"the nucleus ({self.nucleus_radius_um:g} um) must be smaller than the cell ({self.radius_um:g} um). "
                "Were the two swapped, or is one a diameter?",
                "nucleus_radius",
            )
        return self


class ClusterShape(Part):
    """Where the cells lie."""

    shape: Literal["spheroid", "monolayer", "table"] = Field(default="spheroid", description="of the whole")
    packing: Literal["cubic", "close", "random"] = Field(
        default="cubic", description="simple cubic or densest lattice, or random without overlap"
    )
    radius_um: LengthUm | None = Field(default=None, alias="radius", description="of the spheroid, e.g. '200 um'")
    cells: int | None = Field(default=None, ge=1, le=5_000_000, strict=True, description="how many, e.g. 33401")
    pitch_um: LengthUm | None = Field(
        default=None, alias="pitch", description="distance of neighbours on a lattice, e.g. '10 um'"
    )
    volume_fraction: Fraction | None = Field(default=None, description="of random cells, at most '30 %'")
    necrotic_radius_um: LengthUm | None = Field(
        default=None, alias="necrotic_radius", description="of a dead core, e.g. '80 um'"
    )
    positions: str | None = Field(
        default=None, description="a CSV file beside the case: x, y, z in um, and perhaps an uptake"
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.shape == "table":
            if self.positions is None:
                raise fault("shape table needs positions, the name of a CSV file with x, y, z in um.", "positions")
            for key, value in (("cells", self.cells), ("radius", self.radius_um), ("pitch", self.pitch_um)):
                if value is not None:
                    raise fault("the table of positions says this already; leave it out.", key)
        elif self.positions is not None:
            raise fault("positions go with shape: table.", "positions")
        elif self.shape == "monolayer" and self.cells is None:
            raise fault("a monolayer needs cells, how many they are.", "cells")
        elif self.shape == "monolayer" and self.radius_um is not None:
            raise fault("a monolayer is given by its number of cells.", "radius")
        elif self.shape == "spheroid" and (self.radius_um is None) == (self.cells is None):
            raise fault("give the radius of the spheroid or its number of cells, one of the two.", "radius")
        if self.shape != "spheroid" and self.necrotic_radius_um is not None:
            raise fault("a necrotic core goes with shape: spheroid.", "necrotic_radius")
        if self.volume_fraction is not None and self.packing != "random":
            raise fault("a volume fraction goes with packing: random; a lattice has its pitch.", "volume_fraction")
        return self


def _places(value: object) -> object:
    return {value: "100 %"} if isinstance(value, str) else value


class Source(Part):
    """The nuclide, where in the cell it decays, and how often."""

    nuclide: str = Field(description="e.g. Ac-225; its chain follows")
    place: dict[str, Fraction] = Field(
        default="surface",
        validate_default=True,
        description="surface, cytoplasm, nucleus, cell, medium (between the cells of a spheroid); or shares by place",
    )
    decays_per_cell: float | None = Field(
        default=None, gt=0, le=1e9, description="of the parent, mean over living cells, e.g. 10"
    )
    mean_dose_Gy: DoseGy | None = Field(
        default=None, alias="mean_dose", description="to living nuclei; sets the decays, e.g. '5 Gy'"
    )
    daughters: dict[str, dict[str, Fraction]] = Field(
        default_factory=dict,
        description="daughter: shares by place; what is missing to 100 % is lost with its progeny, e.g. Bi-213: {surface: '30 %'}",
    )
    effective_half_life_h: TimeH | None = Field(
        default=None,
        alias="effective_half_life",
        description="of the dose rate, for repair; default: the nuclide's own",
    )

    _short = field_validator("place", mode="before")(_places)

    @field_validator("place", "daughters")
    @classmethod
    def _known_places(cls, value: dict[str, Any]) -> dict[str, Any]:
        groups = {"": value} if all(isinstance(v, float) for v in value.values()) else value
        for name, shares in groups.items():
            for place in shares:
                if place not in PLACES:
                    raise fault(
                        f"no place {place!r} in a cell. {suggestion(place, PLACES)}Places: {', '.join(PLACES)}.",
                        *([name] if name else []),
                    )
            if sum(shares.values()) > 1 + 1e-9:
                raise fault(f"the shares by place sum to {100 * sum(shares.values()):g} %.", *([name] if name else []))
        return value

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.decays_per_cell is None) == (self.mean_dose_Gy is None):
            raise fault("give decays_per_cell or mean_dose, one of the two.", "decays_per_cell")
        if self.mean_dose_Gy == 0:
            raise fault("a mean dose must be above zero.", "mean_dose")
        return self


_NEEDS = {
    "lognormal": ("cv",),
    "labelled": ("fraction",),
    "receptors": ("receptors", "cells"),
    "uniform": (),
    "table": (),
    "image": ("image", "pixel_um"),
}


class UptakeChoice(Part):
    """How the decays are shared out over the living cells."""

    model: Literal["uniform", "lognormal", "labelled", "receptors", "table", "image"] = Field(
        default="uniform", description="the law; each needs its own keys"
    )
    cv: Fraction | None = Field(default=None, description="lognormal: standard deviation over mean, e.g. '60 %'")
    fraction: Fraction | None = Field(
        default=None, description="labelled: share of the cells that take up all, e.g. '25 %'"
    )
    receptors: tuple[float, ...] | None = Field(
        default=None, max_length=1000, description="receptors per cell, e.g. [1e4, 1e5]"
    )
    cells: tuple[float, ...] | None = Field(
        default=None, max_length=1000, description="cells with so many receptors, e.g. [700, 300]"
    )
    image: str | None = Field(
        default=None,
        description="image: a file beside the case, .npy, .csv, .png or .tif, grey, proportional to uptake",
    )
    pixel_um: LengthUm | None = Field(default=None, alias="pixel", description="image: edge of a pixel, e.g. '2 um'")
    penetration_depth_um: LengthUm | None = Field(
        default=None,
        alias="penetration_depth",
        description="uptake falls by e over this depth below the rim, e.g. '60 um'",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        for key in ("cv", "fraction", "receptors", "cells", "image", "pixel_um"):
            wanted, name = key in _NEEDS[self.model], key.removesuffix("_um")
            if wanted and getattr(self, key) is None:
                raise fault(f"uptake {self.model} needs it.", name)
            if not wanted and getattr(self, key) is not None:
                raise fault(f"does not go with uptake {self.model}.", name)
        if self.fraction == 0:
            raise fault("a labelled fraction lies above 0 %.", "fraction")
        return self


class LowLet(Part):
    """Response to electrons and photons, where it differs."""

    alpha_per_Gy: float | None = Field(default=None, ge=0, le=100, description="1/Gy, e.g. 0.3")
    beta_per_Gy2: float = Field(default=0.0, ge=0, le=100, description="1/Gy2, e.g. 0.03; goes with alpha_per_Gy")
    z0_Gy: DoseGy | None = Field(default=None, alias="z0", description="one-hit killing, e.g. '1.5 Gy'")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        _one_response(self, ("alpha_per_Gy", "z0_Gy"))
        return self


class ModifierChoice(Part):
    """A drug or a repair deficiency: factors on alpha and beta for one kind of radiation."""

    name: str = Field(
        min_length=1,
        max_length=80,
        description="an id of `alphatwin list modifier`, e.g. 5-fu; or a name of your own with factors and source",
    )
    radiation: Literal["alpha", "low_let"] | None = Field(
        default=None, description="alpha (high LET) or low_let (electrons, photons); default: what the entry was measured with"
    )  # fmt: skip
    alpha_factor: float | None = Field(default=None, ge=0, le=100, description="on alpha; default: the catalogue's")
    beta_factor: float | None = Field(default=None, ge=0, le=100, description="on beta; default: the catalogue's")
    dose_factor: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="instead: the same effect at a dose lower by this ratio (alpha times it, beta times its square), e.g. 1.6",
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="where your factors come from: a key of `alphatwin list source`, or words",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for key in ("alpha_factor", "beta_factor"):
            if self.dose_factor is not None and getattr(self, key) is not None:
                raise fault("give dose_factor or factors on alpha and beta, not both.", key)
        if self.source is not None and self.dose_factor is self.alpha_factor is self.beta_factor is None:
            raise fault("a source goes with factors of your own; the catalogue's have theirs.", "source")
        return self


class ResponseChoice(Part):
    """Response of a nucleus to its specific energy: alpha and beta, z0, or a cell line; what modifies it."""

    alpha_per_Gy: float | None = Field(
        default=None, ge=0, le=100, description="linear-quadratic: 1/Gy of specific energy, e.g. 0.5"
    )
    beta_per_Gy2: float = Field(default=0.0, ge=0, le=100, description="1/Gy2, e.g. 0.03; goes with alpha_per_Gy")
    z0_Gy: DoseGy | None = Field(
        default=None, alias="z0", description="instead: one-hit killing S = exp(-z/z0), e.g. '0.5 Gy'"
    )
    line: str | None = Field(
        default=None,
        description="instead: a cell line, an id of `alphatwin list cell-line`, e.g. hsg; its response follows the LET of the alphas",
    )
    parameters: Literal["osmk2021", "smk", "mkm"] = Field(
        default="osmk2021", description="which set of the cell line; goes with line"
    )
    low_let: LowLet | None = Field(
        default=None, description="response to electrons and photons; default: the same, or the cell line's"
    )
    modifiers: tuple[ModifierChoice, ...] = Field(
        default=(), max_length=20, description="drugs and repair deficiencies, applied one after the other"
    )
    repair_half_time_h: TimeH | None = Field(
        default=None, alias="repair_half_time", description="with it, G of the decay counts, e.g. '1.5 h'"
    )
    clonogenic_fraction: Fraction = Field(default="100 %", validate_default=True, description="of the living cells")

    @field_validator("line")
    @classmethod
    def _known_line(cls, value: str | None) -> str | None:
        return None if value is None else catalog.cell_line(value).id

    @model_validator(mode="after")
    def _some(self) -> Self:
        _one_response(self, ("alpha_per_Gy", "z0_Gy", "line"))
        if self.line is None and "parameters" in self.model_fields_set:
            raise fault("goes with a cell line; give line, or leave it out.", "parameters")
        if self.line is not None and self.parameters not in (have := catalog.cell_line(self.line).models):
            raise fault(f"{self.line} has no {self.parameters} set; it has {', '.join(have)}.", "parameters")
        if self.clonogenic_fraction == 0:
            raise fault("a clonogenic fraction lies above 0 %.", "clonogenic_fraction")
        seen: set[tuple[str, str | None]] = set()
        for i, one in enumerate(self.modifiers):
            if (key := (one.name.casefold(), one.radiation)) in seen:
                raise fault(f"{one.name} stands here for the second time.", "modifiers", i)
            seen.add(key)
        return self


def _one_response(part: LowLet | ResponseChoice, keys: tuple[str, ...]) -> None:
    """Exactly one kind of response, and beta only beside alpha."""
    names = [key.removesuffix("_Gy") if key == "z0_Gy" else key for key in keys]
    if sum(getattr(part, key) is not None for key in keys) != 1:
        raise fault(f"give one of {', '.join(names)}.", names[0])
    if part.alpha_per_Gy is None and "beta_per_Gy2" in part.model_fields_set:
        raise fault("goes with alpha_per_Gy.", "beta_per_Gy2")
    if part.z0_Gy == 0:
        raise fault("z0 must be above zero.", "z0")


class Oxygen(Part):
    """Oxygen in the spheroid: cells consume it, the centre has less (Grimes et al. 2014)."""

    rim_pressure: str = Field(default="53.2 mmHg", description="at the surface, with its unit: '53 mmHg' or '7 %'")
    model: Literal["osmk2021", "scifoni2013"] = Field(default="osmk2021", description="of the OER by LET and oxygen")
    core: Literal["alive", "dead"] = Field(default="dead", description="cells without oxygen")

    @field_validator("rim_pressure", mode="before")
    @classmethod
    def _with_unit(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError(f"{value!r} has no unit: write '{value} mmHg' or '{value} %' (1 % is 7.6 mmHg).")
        return value


class Bystander(Part):
    """A signal of hit cells that harms others; no such numbers of a tumour are known, so all are yours."""

    reach_um: LengthUm = Field(alias="reach", description="decay length of the signal, e.g. '100 um'")
    characteristic_concentration_per_um: float = Field(
        gt=0, description="C0 in 1/um: the signal with 1 - 1/e, 63 %, of the largest effect, e.g. 0.01"
    )
    largest_effect: Fraction = Field(description="chance to die where the signal is strong, e.g. '30 %'")
    acts_on: Literal["not_hit", "all"] = Field(default="not_hit", description="cells that no alpha hits, or all")


class Comparison(Part):
    """Another emitter in the same cells."""

    nuclides: tuple[str, ...] = Field(min_length=1, max_length=10, description="e.g. [Lu-177]")
    at: Literal["mean_dose", "decays"] = Field(default="mean_dose", description="what is equal")


class CellsOptions(Part):
    """How the case is computed."""

    seed: int = Field(default=1, ge=0, lt=2**63, strict=True, description="of the random uptake and packing")
    events: Literal["decay", "atom"] = Field(
        default="decay", description="what is independent: every decay, or every atom of the parent with its progeny"
    )


class CellsCase(Part):
    """One cluster of cells, one nuclide, one question."""

    case: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folder of the results")
    title: str = Field(default="", description="first line of the report; default: the name")
    cells: CellSizes = Field(default_factory=CellSizes, description="size of one cell")
    cluster: ClusterShape = Field(description="where the cells lie")
    source: Source = Field(description="the nuclide, where it decays, how often")
    uptake: UptakeChoice = Field(
        default_factory=UptakeChoice, description="how the decays are shared out over the cells"
    )
    response: ResponseChoice = Field(description="what specific energy does to a cell")
    oxygen: Oxygen | None = Field(default=None, description="oxygen in a spheroid; default: air everywhere")
    bystander: Bystander | None = Field(default=None, description="signal of hit cells; default: none")
    compare: Comparison | None = Field(default=None, description="other nuclides in the same cells")
    options: CellsOptions = Field(default_factory=CellsOptions, description="how it is computed")

    @model_validator(mode="after")
    def _cells_fit(self) -> Self:
        least = 2 * self.cells.radius_um
        if self.cluster.pitch_um is not None and self.cluster.pitch_um < least * (1 - 1e-9):
            text = f"cells of radius {self.cells.radius_um:g} um overlap at a pitch of {self.cluster.pitch_um:g} um; at least {least:g} um."
            raise fault(text, "cluster", "pitch")
        if self.uptake.model == "table" and self.cluster.shape != "table":
            raise fault(
                "uptake from a table goes with cluster shape: table, in the fourth column of its file.",
                "uptake",
                "model",
            )
        if self.uptake.penetration_depth_um is not None and self.cluster.shape != "spheroid":
            raise fault("a penetration depth goes with cluster shape: spheroid.", "uptake", "penetration_depth")
        free = [self.source.place.get("medium", 0.0), *(d.get("medium", 0.0) for d in self.source.daughters.values())]
        if self.cluster.shape != "spheroid" and any(share > 0 for share in free):
            raise fault(
                "decays in the medium go with cluster shape: spheroid.", "source", "place" if free[0] else "daughters"
            )
        if self.oxygen is not None and self.cluster.shape != "spheroid":
            raise fault("the oxygen field is that of a spheroid; leave it out for other shapes.", "oxygen")
        return self

    def sha256(self) -> str:
        """Hash of the case as read: the same numbers give the same hash, whatever the spacing of the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


_PARTS: Parts = {
    (): CellsCase, ("cells",): CellSizes, ("cluster",): ClusterShape, ("source",): Source, ("uptake",): UptakeChoice,
    ("response",): ResponseChoice, ("response", "low_let"): LowLet, ("response", "modifiers", "*"): ModifierChoice, ("oxygen",): Oxygen, ("bystander",): Bystander, ("compare",): Comparison,
    ("options",): CellsOptions,
}  # fmt: skip


def load_cells(path: str | pathlib.Path) -> CellsCase:
    """Read and check a case file of cells; messages as of `load`.

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.
    """
    return read_as(path, CellsCase, _PARTS)


def uptake_image(case_file: str | pathlib.Path, name: str) -> Any:
    """The image of uptake that lies beside the case file, as an array [y, x] or [z, y, x] of floats.

    NumPy files are read without pickles; PNG and TIFF need Pillow and one grey channel, page after page into z.

    Raises
    ------
    CaseError
        A name with a folder in it, no such file, another format, colours, or too many pixels.
    """
    import numpy as np

    place = "uptake.image"
    if pathlib.PurePath(name).name != name:
        raise CaseError(f"{place}: {name!r} names a folder; put the image beside the case and give its name alone.")
    path, ending = pathlib.Path(case_file).parent / name, pathlib.PurePath(name).suffix.lower()
    readers = {".npy": _npy, ".csv": _csv, ".png": _picture, ".tif": _picture, ".tiff": _picture}
    if ending not in readers:
        raise CaseError(f"{place}: {name} is of no kind that is read; give {', '.join(readers)}.")
    try:
        found = np.asarray(readers[ending](path), dtype=float)
    except CaseError:
        raise
    except ImportError:
        raise CaseError(
            f"{place}: {ending} files need Pillow (pip install pillow); or write the image as .npy or .csv."
        ) from None
    except (OSError, ValueError, TypeError, SyntaxError, EOFError) as error:
        reason = (getattr(error, "strerror", None) or f"it is no {ending} image").lower()
        raise CaseError(f"{place}: {name} cannot be read: {reason}.") from None
    return found


def _npy(path: pathlib.Path) -> Any:
    import numpy as np

    found = np.load(path, mmap_mode="r", allow_pickle=False)
    return _not_too_large(found.shape, path.name) and found


def _csv(path: pathlib.Path) -> Any:
    import numpy as np

    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    if not rows:
        raise CaseError(f"uptake.image: {path.name} is empty; give rows of numbers with commas between them.")
    return np.array([[float(cell) for cell in row.split(",")] for row in rows])


def _picture(path: pathlib.Path) -> Any:
    import warnings

    import numpy as np
    from PIL import Image, ImageSequence

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a large image is refused below, in our words
        try:
            opened = Image.open(path)
        except Image.DecompressionBombError:
            _not_too_large((MAX_PIXELS + 1,), path.name)
            raise
    with opened as image:
        pages = getattr(image, "n_frames", 1)
        _not_too_large((pages, *image.size), path.name)
        if image.mode not in ("1", "L", "I", "F", "I;16", "I;16B", "I;16L"):
            raise CaseError(
                f"uptake.image: {path.name} has the colours {image.mode}; give one grey channel that is proportional to uptake."
            )
        found = np.stack([np.asarray(page, dtype=float) for page in ImageSequence.Iterator(image)])
    return found[0] if pages == 1 else found


def _not_too_large(shape: tuple[int, ...], name: str) -> bool:
    if math.prod(shape) > MAX_PIXELS:
        raise CaseError(f"uptake.image: {name} has {math.prod(shape)} pixels; at most {MAX_PIXELS} are read.")
    return True


def table_lines(case_file: str | pathlib.Path, name: str) -> list[str]:
    """Lines of the table of positions that lies beside the case file.

    Raises
    ------
    CaseError
        A name with a folder in it, no such file, or no text.
    """
    if pathlib.PurePath(name).name != name:
        raise CaseError(
            f"cluster.positions: {name!r} names a folder; put the table beside the case and give its name alone."
        )
    try:
        return (pathlib.Path(case_file).parent / name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or "not text in UTF-8").lower()
        raise CaseError(f"cluster.positions: {name} cannot be read: {reason}.") from None
