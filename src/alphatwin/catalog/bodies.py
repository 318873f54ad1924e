"""Stylised bodies: organs as published equations of primitive shapes, typed and cited."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import missing
from .model import Cited, Composition, Entry, Quantity

__all__ = [
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
    "Stripes",
    "Torus",
    "bodies",
    "body",
]

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


class Part(Entry):
    """All of `inside`, none of `outside`; with `mirror` on both sides of the body (x counts as |x|)."""

    inside: tuple[Primitive, ...] = Field(min_length=1)
    outside: tuple[Primitive, ...] = ()
    mirror: bool = False


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

    @model_validator(mode="after")
    def _fits(self) -> Body:
        for name, region in self.regions.items():
            if region.tissue not in self.tissues:
                raise ValueError(f"region {name} is of {region.tissue!r}; tissues are {', '.join(self.tissues)}")
        shares = [r.marrow_share.value for r in self.regions.values() if r.marrow_share is not None]
        if shares and abs(sum(shares) - 100) > 0.5:
            raise ValueError(f"the shares of red marrow sum to {sum(shares):g} %, not to 100")
        return self


@functools.cache
def bodies() -> dict[str, Body]:
    """All bodies of the catalogue, by id."""
    from . import _read_yaml, load_entry, path

    return {f.stem: load_entry(_read_yaml(f), Body, f"bodies/{f.name}") for f in sorted(path("bodies").glob("*.yaml"))}


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
