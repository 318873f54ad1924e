"""`alphatwin images`: what a folder of images holds, and what is missing before it can be used."""

from __future__ import annotations

import json
import pathlib
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

    from ..imaging import SeriesFound

WIDTH = 80
INDENT = " " * 5
ROW = "{:>3} {:<8} {:<16} {:>6} {:<11} {:<14} {:<6} {:<7}"
READ = ("CT", "NM", "PT", "RTSTRUCT", "SEG", "REG", "RWV")


def add(app: typer.Typer) -> None:
    """Put the command ``images`` on the command line."""
    import typer

    @app.command("images", short_help="What a folder of images holds.")
    def images_command(
        folder: pathlib.Path = typer.Argument(..., metavar="FOLDER", help="DICOM files of one patient."),  # noqa: B008
        timezone: str = typer.Option(
            None, "--timezone", metavar="ZONE", help="Of times without one: Europe/Berlin, +01:00."
        ),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """List the series of a folder with time, size, unit and nuclide, and what must be supplied before they are used."""
        from ..imaging import find_series

        found = find_series(folder, timezone=timezone)
        if as_json:
            print(json.dumps([_plain(s) for s in found], indent=2, ensure_ascii=False))
        else:
            print(_table(found))


def _plain(found: SeriesFound) -> dict[str, Any]:
    """One series as JSON; UIDs and file names stay out."""
    made = found.acquisition
    return {
        "number": found.number,
        "kind": found.kind,
        "files": len(found.files),
        "started": made.started.isoformat() if made.started else None,
        "hours_after_injection": found.hours,
        "matrix_zyx": found.matrix,
        "voxel_mm_zyx": found.voxel_mm,
        "quantity": found.quantity,
        "nuclide": made.nuclide,
        "administered_MBq": made.administered_MBq,
        "administered_at": made.administered_at.isoformat() if made.administered_at else None,
        "decay_corrected_to": made.decay_corrected_to,
        "duration_s": made.duration_s,
        "energy_windows_keV": made.energy_windows_keV,
        "regions": found.regions,
        "missing": found.missing,
        "problems": found.problems,
    }


def _said(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT + "  ", break_long_words=True)


def _table(found: tuple[SeriesFound, ...]) -> str:
    from ..imaging.values import UNITS

    lines = [ROW.format("", "kind", "began", "h p.i.", "z y x", "voxel mm", "unit", "nuclide").rstrip()]
    for s in found:
        began, hours = s.acquisition.started, s.hours
        unit = "counts" if s.quantity == "counts" else UNITS.get(s.quantity or "", "")
        lines.append(
            ROW.format(
                s.number,
                s.kind[:8],
                began.strftime("%Y-%m-%d %H:%M") if began else "",
                "" if hours is None else f"{hours:.1f}",
                " ".join(map(str, s.matrix)) if s.matrix else "",
                " ".join(f"{v:.2f}" for v in s.voxel_mm) if s.voxel_mm else "",
                unit,
                s.acquisition.nuclide or "",
            ).rstrip()
        )
        if s.regions:
            drawn = [str(o.number) for o in found if o.series_uid in s.refers_to]
            lines.append(_said(f"{f'on series {drawn[0]}: ' if drawn else ''}{', '.join(s.regions)}"))
        lines += [_said(f"supply {m}") for m in s.missing]
        lines += [_said(f"NOT USABLE: {p}") for p in s.problems]
    return "\n".join([*lines, "", *_summary(found)])


def _summary(found: tuple[SeriesFound, ...]) -> list[str]:
    """Zones of the times, what belongs together, and the verdict."""
    from ..errors import ImageError
    from ..imaging.reading import time_points

    emissions = [s for s in found if s.kind in ("NM", "PT") and not s.problems]
    times = [s.acquisition.started for s in found if s.acquisition.started]
    zones = sorted({t.strftime("%z") if t.tzinfo else "not stated" for t in times})
    lines = [f"{len(found)} series. Zone of the times: {', '.join(zones) or 'not stated'}."]
    if not emissions:
        return [*lines, "No reconstructed SPECT or PET can be used."]
    settled = True
    try:
        sessions, notes = time_points(found)
    except ImageError as error:
        sessions, notes, settled = [], [str(error)], False
    for k, session in enumerate(sessions, 1):
        hours = session.emissions[0].hours
        parts = [f"emission {', '.join(str(s.number) for s in session.emissions)}"]
        parts += [f"CT {session.ct.number}"] if session.ct else ["no CT"]
        parts += [f"regions {', '.join(str(s.number) for s in session.structures)}"] if session.structures else []
        lines.append(f"Time point {k}{'' if hours is None else f' at {hours:.1f} h'}: series {'; '.join(parts)}.")
    lines += [f"{note[0].upper()}{note[1:]}{'' if note.endswith('.') else '.'}" for note in notes]
    if any(s.missing for s in found):
        lines.append(
            "Something must be supplied first: the lines above name the arguments of read_folder; in a case they stand under images."
        )
    elif any(s.problems and s.kind in READ for s in found):
        lines.append("Some series cannot be used; the lines above say why.")
    elif settled:
        lines.append("Complete.")
    return [textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines]
