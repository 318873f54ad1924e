"""The bibliography: sources.bib, read once."""

from __future__ import annotations

import functools
import pathlib
import re
from dataclasses import dataclass

from ..errors import CatalogError

_DATA = pathlib.Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Source:
    """One bibliography entry; `text` is a line a person can read."""

    key: str
    author: str
    title: str
    where: str
    year: str
    doi: str
    url: str

    @property
    def text(self) -> str:
        """Author, title, where, year, DOI or address, on one line."""
        link = f"doi:{self.doi}" if self.doi else self.url
        return ". ".join(part for part in (self.author, self.title, self.where, self.year, link) if part) + "."


@functools.cache
def sources() -> dict[str, Source]:
    """Every source, by key."""
    import bibtexparser

    parser = bibtexparser.bparser.BibTexParser(common_strings=True, ignore_nonstandard_types=False)
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(_DATA.glob("sources*.bib")))
    database = bibtexparser.loads(text, parser)
    found: dict[str, Source] = {}
    for entry in database.entries:
        clean = {k: re.sub(r"[{}]", "", v).replace("\n", " ").strip() for k, v in entry.items()}
        where = " ".join(
            part
            for part in (
                clean.get("journal")
                or clean.get("booktitle")
                or clean.get("institution")
                or clean.get("publisher", ""),
                clean.get("volume", ""),
                clean.get("pages", ""),
            )
            if part
        )
        key = clean["ID"]
        if key in found:
            raise CatalogError(f"sources.bib has the key {key!r} twice.")
        found[key] = Source(
            key,
            clean.get("author", "").replace(" and ", ", "),
            clean.get("title", ""),
            where,
            clean.get("year", ""),
            clean.get("doi", ""),
            clean.get("url", ""),
        )
    return found
