"""The bibliography: sources.bib, read once."""

from __future__ import annotations

import functools
import pathlib
import re
import unicodedata
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
        parts = [part.removesuffix(".") for part in (self.author, self.title, self.where, self.year, link) if part]
        return re.sub(r"\?\. ", "? ", ". ".join(parts)) + "."


_LETTERS = {r"\aa": "å", r"\AA": "Å", r"\ae": "æ", r"\AE": "Æ", r"\ss": "ß", r"\o": "ø", r"\O": "Ø", r"\l": "ł",
            r"\L": "Ł", r"\&": "&", r"\%": "%", r"\_": "_"}  # fmt: skip
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "c": "\u0327", "v": "\u030c"}
_ACCENT = re.compile(r"""\\(?:([`'^~"])\s*\{?([A-Za-z])\}?|([cv])\{([A-Za-z])\})""")


def _plain(text: str) -> str:
    """A BibTeX field as plain Unicode: accents put on their letters, braces away, a dash for ranges."""
    text = _ACCENT.sub(lambda m: (m[2] or m[4]) + _ACCENTS[m[1] or m[3]], text)
    for code, letter in _LETTERS.items():
        text = re.sub(re.escape(code) + (r"(?![A-Za-z])\s?" if code[-1].isalpha() else ""), letter, text)
    text = re.sub(r"[{}]", "", text).replace("--", "-")
    return unicodedata.normalize("NFC", " ".join(text.split()))


def parse(text: str) -> dict[str, Source]:
    """Read BibTeX.

    Raises
    ------
    CatalogError
        A key stands twice, an entry lacks its author, title or year, or the text cannot be read.

    Examples
    --------
    >>> print(parse("@book{a1999, author={Lee, A. and Ray, B.}, title={On x}, year=1999}")["a1999"].text)
    Lee, A., Ray, B. On x. 1999.
    """
    import bibtexparser

    parser = bibtexparser.bparser.BibTexParser(common_strings=True, ignore_nonstandard_types=False)
    found: dict[str, Source] = {}
    entries = bibtexparser.loads(text, parser).entries
    if len(entries) != len(re.findall(r"^\s*@(?!comment|string|preamble)\w+\s*\{", text, re.MULTILINE | re.IGNORECASE)):
        raise CatalogError(f"Only {len(entries)} entries of the bibliography can be read: look for a brace left open.")
    for entry in entries:
        clean = {
            name: value.strip() if name in ("ID", "doi", "url") else _plain(value) for name, value in entry.items()
        }
        key = clean["ID"]
        if key in found:
            raise CatalogError(f"The bibliography has the key {key!r} twice.")
        for needed in ("author", "title", "year"):
            if not clean.get(needed):
                raise CatalogError(f"The bibliography's entry {key!r} lacks its {needed}.")
        places = (clean.get(name, "") for name in ("journal", "booktitle", "institution", "publisher"))
        where = (next(filter(None, places), ""), clean.get("volume", ""), clean.get("pages", ""))
        found[key] = Source(
            key=key,
            author=clean["author"].replace(" and ", ", "),
            title=clean["title"],
            where=" ".join(part for part in where if part),
            year=clean["year"],
            doi=clean.get("doi", ""),
            url=clean.get("url", ""),
        )
    return found


@functools.cache
def sources() -> dict[str, Source]:
    """Every source, by key."""
    return parse((_DATA / "sources.bib").read_text(encoding="utf-8"))
