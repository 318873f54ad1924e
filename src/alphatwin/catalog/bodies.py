"""Stylised bodies: organs as published equations of primitive shapes, typed and cited."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import CatalogError, missing
from .model import Cited, Composition, Entry, Quantity

__all__ = [
    "Affine",
    "Body",
    "BodyRegion",
    "BodyTissue",
    "Box",
    "Ellipsoid",
    "Frustum",
    "HalfSpace",
    "Lobes",
    "Part",
    "Primitive",
    "ScaledBody",
    "Stripes",
    "Torus",
    "Trunk",
    "bodies",
    "body",
]

# no published plane goes through the centres of a grid of 2 mm that begins here
ADULT_BOX = ((-20.0, -10.0, -80.05), (20.0, 10.0, 94.0))
# a wall and what it holds grow together
_TOGETHER = (
    ("heart_wall", "heart_contents"),
    ("stomach_wall", "stomach_contents"),
    ("bladder_wall", "bladder_contents"),
    ("upper_large_intestine_wall", "upper_large_intestine_contents"),
    ("lower_large_intestine_wall", "lower_large_intestine_contents"),
    ("kidney_left", "kidney_right"),
)
Length = Annotated[float, Field(gt=0, description="cm")]
Pair = tuple[float, float]
Triple = tuple[float, float, float]


class Ellipsoid(Entry):
    """sum((r - center)_i^2/axes_i^2) <= 1; with `rotation` (rows) the difference is turned first. cm."""

    center: Triple
    axes: tuple[Length, Length, Length]
    rotation: tuple[Triple, Triple, Triple] | None = None


class Frustum(Entry):
    """An elliptical cylinder or cone along an axis: center and semi-axes go linearly from one end to the other. cm.

    Along z the pairs are (x, y), along x they are (y, z).
    """

    along: Pair
    centers: tuple[Pair, Pair]
    axes: tuple[tuple[Length, Length], tuple[Length, Length]]
    axis: Literal["x", "z"] = "z"


class Torus(Entry):
    """A ring: (|r - center| in the ring's plane - radii_0)^2 + (distance from the plane)^2 <= radii_1^2. cm."""

    center: Triple
    axis: Literal["y", "z"]
    radii: tuple[Length, Length]


class Box(Entry):
    """Limits in x, y, z, cm; a missing one does not limit."""

    x: Pair = (-1e3, 1e3)
    y: Pair = (-1e3, 1e3)
    z: Pair = (-1e3, 1e3)


class HalfSpace(Entry):
    """normal . r <= at_most."""

    normal: Triple
    at_most: float


class Stripes(Entry):
    """Every second layer in z: floor((z - start)/width) is even. cm."""

    start: float
    width: Length


class Lobes(Entry):
    """Two lobes between concentric cylinders, cut by a surface that dips between them (the thyroid). cm."""

    center: Triple
    radii: tuple[Length, Length]
    height: Length


class Primitive(Entry):
    """Exactly one shape."""

    ellipsoid: Ellipsoid | None = None
    frustum: Frustum | None = None
    torus: Torus | None = None
    box: Box | None = None
    half_space: HalfSpace | None = None
    stripes: Stripes | None = None
    lobes: Lobes | None = None

    @property
    def shape(self) -> Entry:
        """The one that is given."""
        found: Entry = next(v for v in (getattr(self, n) for n in type(self).model_fields) if v is not None)
        return found

    @model_validator(mode="after")
    def _one(self) -> Primitive:
        given = [n for n in type(self).model_fields if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"a primitive is exactly one shape; given: {', '.join(given) or 'none'}")
        return self


class Affine(Entry):
    """A stretched copy: the point r of the copy is the point (r - shift)/factor of the original, axis by axis. cm."""

    factor: tuple[Length, Length, Length]
    shift: Triple


class Part(Entry):
    """All of `inside`, none of `outside`; with `mirror` on both sides of the body (x counts as |x|).

    `section` is the piece of the body it belongs to, `anchor` the point about which it grows when it is scaled (the
    centre of its first ellipsoid unless given), and `placed` what scaling made of it.
    """

    inside: tuple[Primitive, ...] = Field(min_length=1)
    outside: tuple[Primitive, ...] = ()
    mirror: bool = False
    section: Literal["trunk", "head", "legs"] = "trunk"
    anchor: Triple | None = None
    placed: Affine | None = None

    @property
    def grows_from(self) -> Triple:
        """The fixed point of a change of size, in the coordinates of the unscaled body."""
        centers = (p.ellipsoid.center for p in self.inside if p.ellipsoid is not None)
        return self.anchor or next(centers, (0.0, 0.0, 0.0))


class BodyRegion(Cited):
    """A region of the body: what it is made of, where it lies, what the report says it measures."""

    tissue: str
    parts: tuple[Part, ...] = Field(min_length=1)
    published_volume: Quantity | None = None
    marrow_share: Quantity | None = Field(default=None, description="part of all red marrow, %")


class BodyTissue(Entry):
    """Density and elements of a tissue of the body."""

    density: Quantity
    composition: Composition


class Body(Entry):
    """A stylised body; a point belongs to the last region that holds it."""

    id: str
    name: str
    tissues: dict[str, BodyTissue] = Field(min_length=1)
    red_marrow_mass: Quantity
    regions: dict[str, BodyRegion] = Field(min_length=1)
    gaps: tuple[str, ...] = ()
    scaled_from: str | None = Field(
        default=None, description="the body whose shapes were scaled; none: published shapes"
    )
    box: tuple[Triple, Triple] = Field(default=ADULT_BOX, description="corners of the grid, cm")
    grid_cm: Length = 0.2

    @model_validator(mode="after")
    def _fits(self) -> Body:
        for name, region in self.regions.items():
            if region.tissue not in self.tissues:
                raise ValueError(f"region {name} is of {region.tissue!r}; tissues are {', '.join(self.tissues)}")
        shares = [r.marrow_share.value for r in self.regions.values() if r.marrow_share is not None]
        if shares and abs(sum(shares) - 100) > 0.5:
            raise ValueError(f"the shares of red marrow sum to {sum(shares):g} %, not to 100")
        return self


class Trunk(Entry):
    """Half axes and height of the elliptical cylinder, cm."""

    half_width: Quantity
    half_depth: Quantity
    height: Quantity


class ScaledBody(Entry):
    """A body made of the shapes of another: stretched section by section, then every organ brought to its mass.

    With a the original point, s the ratios of the section's lengths, o the place of the section, c the anchor of the
    part and f = (m/(m_0 s_x s_y s_z))^(1/3) from the masses wanted (m) and had (m_0): r = s (c + f (a - c)) + o.
    """

    id: str
    name: str
    scaled_from: str
    grid_cm: Length
    trunk: Trunk
    head: Trunk
    legs: Quantity
    skeleton_density: Quantity | None = None
    red_marrow_mass: Quantity
    masses: dict[str, Quantity] = Field(min_length=1)
    marrow_shares: dict[str, Quantity] = Field(min_length=1, description="part of all red marrow in each bone, %")
    added: dict[str, BodyRegion] = Field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    def made_from(self, whole: Body) -> Body:
        """The body itself."""
        sections = self._sections(whole)
        growth = self._growth(whole, sections)
        regions = {}
        for name, region in whole.regions.items():
            parts = tuple(_placed(p, *sections[p.section], growth.get(name, 1.0)) for p in region.parts)
            volume = region.published_volume
            if volume is not None:
                mass = self.masses.get(name)
                density = whole.tissues[region.tissue].density.value
                volume = (
                    None if mass is None else mass.model_copy(update={"value": mass.value / density, "unit": "cm^3"})
                )
            changed = {"parts": parts, "published_volume": volume, "marrow_share": self.marrow_shares.get(name)}
            told = {"verified": False, "note": f"scaled from {whole.id}"}
            regions[name] = region.model_copy(update=changed | told)
        tissues = dict(whole.tissues)
        if self.skeleton_density is not None:
            tissues["skeleton"] = tissues["skeleton"].model_copy(update={"density": self.skeleton_density})
        return Body(
            id=self.id, name=self.name, tissues=tissues, red_marrow_mass=self.red_marrow_mass,
            regions={**regions, **self.added}, gaps=self.gaps, scaled_from=whole.id, box=self._box(), grid_cm=self.grid_cm,
        )  # fmt: skip

    def _box(self) -> tuple[Triple, Triple]:
        wide = max(self.trunk.half_width.value, self.head.half_width.value)
        deep = max(self.trunk.half_depth.value, self.head.half_depth.value)
        low = (-wide, -deep, -self.legs.value - 0.05)
        return low, (wide, deep, self.trunk.height.value + self.head.height.value)

    def _sections(self, whole: Body) -> dict[str, tuple[Triple, Triple]]:
        """Stretch and shift of each section against the original's (its trunk, head and legs are those of `ADULT`)."""
        mine = {"trunk": self.trunk, "head": self.head}
        s = {k: (q.half_width.value, q.half_depth.value, q.height.value) for k, q in mine.items()}
        ratio = {k: tuple(a / b for a, b in zip(s[k], ADULT[k], strict=True)) for k in s}
        across = ratio["trunk"][0]
        legs = (across, across, self.legs.value / ADULT["legs"][2])
        top = self.trunk.height.value - ADULT["trunk"][2] * ratio["head"][2]
        return {
            "trunk": (_triple(ratio["trunk"]), (0.0, 0.0, 0.0)),
            "head": (_triple(ratio["head"]), (0.0, 0.0, top)),
            "legs": (legs, (0.0, 0.0, 0.0)),
        }

    def _growth(self, whole: Body, sections: dict[str, tuple[Triple, Triple]]) -> dict[str, float]:
        """f of every region that has a mass."""
        growth: dict[str, float] = {}
        for group in (*_TOGETHER, *((n,) for n in whole.regions if not any(n in g for g in _TOGETHER))):
            if not all(n in self.masses for n in group):
                continue
            had = sum(_mass_g(whole, n) for n in group)
            stretch = sections[whole.regions[group[0]].parts[0].section][0]
            wanted = sum(self.masses[n].value for n in group)
            f = (wanted / (had * stretch[0] * stretch[1] * stretch[2])) ** (1 / 3)
            growth |= dict.fromkeys(group, f)
        return growth


# half width, half depth, height of the sections of the adult, cm
ADULT = {"trunk": (20.0, 10.0, 70.0), "head": (8.0, 10.0, 24.0), "legs": (20.0, 20.0, 80.0)}
_HEART_CM3 = {"heart_wall": 303.0, "heart_contents": 437.0}  # 740 cm3 together


def _triple(values: tuple[float, ...]) -> Triple:
    return values[0], values[1], values[2]


def _mass_g(whole: Body, name: str) -> float:
    region = whole.regions[name]
    volume = _HEART_CM3.get(name) or (region.published_volume.value if region.published_volume else 0.0)
    if not volume:
        raise CatalogError(f"The region {name} of the body {whole.id} has no published volume to scale from.")
    return volume * whole.tissues[region.tissue].density.value


def _placed(part: Part, stretch: Triple, place: Triple, f: float) -> Part:
    c = part.grows_from
    factor = _triple(tuple(s * f for s in stretch))
    shift = _triple(tuple(s * x * (1 - f) + o for s, x, o in zip(stretch, c, place, strict=True)))
    return part.model_copy(update={"placed": Affine(factor=factor, shift=shift)})


@functools.cache
def bodies() -> dict[str, Body]:
    """All bodies of the catalogue, by id."""
    from . import _read_yaml, load_entry, path

    found: dict[str, Body] = {}
    later: list[ScaledBody] = []
    for file in sorted(path("bodies").glob("*.yaml")):
        data, where = _read_yaml(file), f"bodies/{file.name}"
        if isinstance(data, dict) and "scaled_from" in data:
            later.append(load_entry(data, ScaledBody, where))
        else:
            found[file.stem] = load_entry(data, Body, where)
    for entry in later:
        if entry.scaled_from not in found:
            raise missing("body", entry.scaled_from, found)
        found[entry.id] = entry.made_from(found[entry.scaled_from])
    return dict(sorted(found.items()))


def body(name: str) -> Body:
    """The stylised body with this id.

    Raises
    ------
    CatalogError
        An unknown name, with what there is.

    Examples
    --------
    >>> body("adult").regions["liver"].published_volume.value
    1830.0
    """
    known = bodies()
    if name not in known:
        raise missing("body", str(name), known)
    return known[name]
