"""Draws docs/images/evidence-response.png: the forest plot of docs/evidence.md, from the store as it is."""

from __future__ import annotations

import pathlib

import alphatwin as at
from alphatwin.evidence.forest import forest_pdf

IMAGES = pathlib.Path(__file__).parent / "images"


def main() -> None:
    """Response to alpha emitters, one row a cohort, patients counted once."""
    chosen = at.evidence().select("response", agent="alpha").without_overlap()
    title = f"Objective response, alpha emitters ({chosen.stamp})"
    picture = forest_pdf(
        chosen.pool(), chosen.links, title=title, beside=("beta-binomial", "bayes", "exact"), kind="png"
    )
    (IMAGES / "evidence-response.png").write_bytes(picture)


if __name__ == "__main__":
    main()
