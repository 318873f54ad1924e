"""Anatomies for made-up images: a CT with labels, as files that are carried unchanged, with their notice."""

from __future__ import annotations

import functools
import pathlib

from pydantic import Field

from ..errors import missing
from .model import Cited

__all__ = ["ImageAnatomy", "image_anatomies", "image_anatomy"]


class ImageAnatomy(Cited):
    """A CT and a label map on the same grid, as NIfTI files.

    Attributes
    ----------
    regions : dict of str to int
        Number of each region in the label map; 0 is nothing.
    """

    id: str
    name: str
    ct: str = Field(description="file beside the entry, HU")
    labels: str = Field(description="file beside the entry, whole numbers")
    notice: str = Field(description="file beside the entry: licence and origin")
    regions: dict[str, int] = Field(min_length=1)

    @property
    def ct_path(self) -> pathlib.Path:
        """Where the CT lies."""
        return _file(self.ct)

    @property
    def labels_path(self) -> pathlib.Path:
        """Where the label map lies."""
        return _file(self.labels)


def _file(name: str) -> pathlib.Path:
    from . import path

    return path("phantoms", name)


@functools.cache
def image_anatomies() -> dict[str, ImageAnatomy]:
    """All anatomies of the catalogue that are images, by id."""
    from . import _read_yaml, load_entry

    folder = _file("")
    return {
        f.stem: load_entry(_read_yaml(f), ImageAnatomy, f"phantoms/{f.name}") for f in sorted(folder.glob("*.yaml"))
    }


def image_anatomy(name: str) -> ImageAnatomy:
    """The anatomy with this id.

    Raises
    ------
    CatalogError
        An unknown name, with what there is.

    Examples
    --------
    >>> image_anatomy("abdomen").regions["spleen"]
    1
    """
    if name not in image_anatomies():
        raise missing("anatomy of a phantom", name, image_anatomies())
    return image_anatomies()[name]
