"""`alphatwin pacs`: find studies on a server of images, fetch them, store results; complete, or a list of what is missing."""

from __future__ import annotations

import json
import pathlib
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import WIDTH, _progress

if TYPE_CHECKING:
    import typer

    from ..imaging.pacs import DicomWeb, Found, PacsServer, Transfer

__all__ = ["pacs_app"]

EXIT_INCOMPLETE = 1
SHOWN = 20
HELP = (
    "Fetch from a PACS and store into it, by DICOM or DICOMweb. Credentials and TLS files come from the environment: "
    "ALPHATWIN_PACS_USER, ALPHATWIN_PACS_PASSWORD, ALPHATWIN_PACS_CA, ALPHATWIN_PACS_CERT, ALPHATWIN_PACS_KEY."
)


def _options() -> dict[str, Any]:
    """Options that the commands share."""
    import typer

    return {
        "server": typer.Option(
            ...,
            "--server",
            "-s",
            envvar="ALPHATWIN_PACS_SERVER",
            metavar="ADDRESS",
            help="dicoms://AET@host:port (TLS), dicom://AET@host:port (plain) or https://host/dicom-web.",
        ),
        "calling": typer.Option("ALPHATWIN", "--calling-aet", metavar="AET", help="Our AE title."),
        "timeout": typer.Option(30.0, "--timeout", min=0.1, max=3600, help="Seconds to wait for an answer."),
        "quiet": typer.Option(False, "--quiet", "-q", help="Print only what is missing."),
    }


def pacs_app() -> typer.Typer:
    """The commands of ``alphatwin pacs``."""
    import typer

    app = typer.Typer(no_args_is_help=True, help=HELP, rich_markup_mode=None)
    _add_asking(app)
    _add_moving(app)
    return app


def _add_asking(app: typer.Typer) -> None:
    """The commands that change nothing."""
    import typer

    shared = _options()
    where, calling, timeout = shared["server"], shared["calling"], shared["timeout"]

    @app.command("echo", short_help="Whether the server answers us.")
    def echo_command(server: str = where, calling_aet: str = calling, timeout_s: float = timeout) -> None:
        """Ask the server whether it answers us: C-ECHO, or the smallest query."""
        from ..imaging.pacs import echo, server_from

        asked = server_from(server, calling_aet=calling_aet, timeout_s=timeout_s)
        echo(asked)
        print(f"{asked.place} answers.")

    @app.command("find", short_help="Studies of a patient or a time; series of a study.")
    def find_command(
        server: str = where,
        patient_id: str = typer.Option(None, "--patient-id", metavar="ID", help="Exact."),
        study: str = typer.Option(None, "--study", metavar="UID", help="One study: its series are listed."),
        date: str = typer.Option(None, "--date", metavar="DATE", help="2026-03-02, or 20260301-20260310."),
        modality: str = typer.Option(None, "--modality", metavar="NM", help="CT, NM, PT ..."),
        show_identity: bool = typer.Option(False, "--show-identity", help="Print names and IDs of patients too."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
        calling_aet: str = calling,
        timeout_s: float = timeout,
    ) -> None:
        """List studies, or the series of one study: UIDs, dates and modalities; names only with --show-identity."""
        from ..imaging.pacs import find, server_from

        asked = server_from(server, calling_aet=calling_aet, timeout_s=timeout_s)
        with _progress(as_json) as stage:
            stage(f"asking {asked.place}")
            level = "series" if study else "study"
            found = find(asked, level, patient_id=patient_id, study_uid=study, date=date, modality=modality)
        if as_json:
            print(json.dumps([_plain(f, show_identity) for f in found], indent=2, ensure_ascii=False))
        else:
            print(_table(found, level, show_identity))


def _add_moving(app: typer.Typer) -> None:
    """The commands that bring objects from one place to another."""
    import typer

    shared = _options()
    where, calling, timeout, quiet_option = (shared[k] for k in ("server", "calling", "timeout", "quiet"))
    receive: Any = typer.Option(None, "--receive-port", min=1, max=65535, help="Where C-MOVE sends to.")

    @app.command("fetch", short_help="Fetch a study; again: only what is missing.")
    def fetch_command(
        study: str = typer.Argument(..., metavar="STUDY-UID", help="From `alphatwin pacs find`."),
        server: str = where,
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="The study becomes a folder in it."),  # noqa: B008
        calling_aet: str = calling,
        receive_port: int = receive,
        timeout_s: float = timeout,
        quiet: bool = quiet_option,
    ) -> None:
        """Fetch a study into a folder named after its UID, with a manifest. Exit 1 if something is missing."""
        from ..imaging.pacs import fetch, server_from

        asked = server_from(server, calling_aet=calling_aet, receive_port=receive_port, timeout_s=timeout_s)
        done = _followed(lambda progress: fetch(asked, study, out, progress=progress), asked, quiet)
        if not quiet:
            print(f"Complete: {len(done.expected)} objects, {len(done.moved)} fetched now.")
            for line in _refused(done):
                print(line)
            print(f"Folder: {done.folder}")

    @app.command("store", short_help="Store objects; again: only what is not confirmed.")
    def store_command(
        files: list[pathlib.Path] = typer.Argument(..., metavar="FILE...", help="DICOM files, or folders of them."),  # noqa: B008
        server: str = where,
        journal: pathlib.Path = typer.Option(  # noqa: B008
            "pacs-store.jsonl", "--journal", "-j", help="What the server confirmed; UIDs and hashes only."
        ),
        calling_aet: str = calling,
        timeout_s: float = timeout,
        quiet: bool = quiet_option,
    ) -> None:
        """Store objects and verify that the server lists them. Exit 1 if something is not confirmed."""
        from ..imaging.pacs import server_from, store

        asked = server_from(server, calling_aet=calling_aet, timeout_s=timeout_s)
        done = _followed(lambda progress: store(asked, files, journal, progress=progress), asked, quiet)
        if not quiet:
            print(f"Complete: {asked.place} has all {len(done.expected)} objects, {len(done.moved)} stored now.")


def _followed(
    work: Callable[[Callable[[int, int], None]], Transfer], server: PacsServer | DicomWeb, quiet: bool
) -> Transfer:
    """Do the work under a line of progress; an incomplete end is told and exits with 1."""
    import typer

    from ..imaging.pacs import IncompleteTransfer

    try:
        with _progress(quiet) as stage:
            stage(f"asking {server.place}")
            return work(lambda done, total: stage(f"{server.place}: {done} of {total} objects"))
    except IncompleteTransfer as error:
        for line in _missing(error.transfer):
            print(line)
        print(_wrapped(str(error)))
        raise typer.Exit(EXIT_INCOMPLETE) from None


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=True, break_on_hyphens=False)


def _missing(done: Transfer) -> list[str]:
    lines = ["Missing:"] if done.missing else []
    for uid in done.missing[:SHOWN]:
        lines.append(f"  {uid}")
        if uid in done.reasons:
            lines.append(textwrap.fill(done.reasons[uid], WIDTH, initial_indent="    ", subsequent_indent="    "))
    if len(done.missing) > SHOWN:
        lines.append(f"  and {len(done.missing) - SHOWN} more")
    return lines + _refused(done)


def _refused(done: Transfer) -> list[str]:
    return [f"Turned away: {n} objects, {why}." for why, n in sorted(done.refused.items())]


def _clean(text: str) -> str:
    """A server's text without what would steer a terminal."""
    return "".join(c for c in text if c.isprintable())[:64]


def _plain(found: Found, show_identity: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"study_uid": found.study_uid, "series_uid": found.series_uid or None, "date": found.date}
    row |= {"modalities": found.modalities, "series": found.series, "objects": found.objects}
    if show_identity:
        row |= {"patient_id": found.patient_id, "patient_name": found.patient_name}
    return row


def _table(found: tuple[Found, ...], level: str, show_identity: bool) -> str:
    lines = []
    for f in found:
        day = f"{f.date[:4]}-{f.date[4:6]}-{f.date[6:]}" if f.date else "undated"
        lines.append(f"{day:<11s}{f.series_uid or f.study_uid}")
        told = [" ".join(_clean(m) for m in f.modalities)] if f.modalities else []
        told += [f"{f.series} series"] if f.series is not None else []
        told += [f"{f.objects} objects"] if f.objects is not None else []
        lines.append(textwrap.shorten(f"{'':11s}{', '.join(told)}".strip(), WIDTH - 11))
        lines[-1] = f"{'':11s}{lines[-1]}"
        if show_identity:
            lines.append(f"{'':11s}{_clean(f.patient_name)}"[:WIDTH])
            lines.append(f"{'':11s}ID {_clean(f.patient_id)}"[:WIDTH])
    return "\n".join(
        [*lines, f"{len(found)} {'series' if level == 'series' else 'study' if len(found) == 1 else 'studies'}."]
    )
