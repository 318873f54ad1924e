"""`alphatwin trial`: operating characteristics of a design, decision tables, replay of recorded data."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

from ..errors import CaseError, suggestion
from . import _progress
from ._phase_two import PHASE_TWO_COMMANDS, add_phase_two

if TYPE_CHECKING:
    import typer

__all__ = ["trial_app"]

COMMANDS = ("run", "replay", "table", "kinds", "schema", *PHASE_TWO_COMMANDS)


def trial_app() -> typer.Typer:
    """The group of commands; a file as first word means `run`."""
    import typer
    from typer.core import TyperGroup

    class FileFirst(TyperGroup):
        """`alphatwin trial DESIGN.yaml` is `alphatwin trial run DESIGN.yaml`."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Put `run` in front of a file or an option."""
            first = args[0] if args else ""
            mistyped = not pathlib.Path(first).suffix and bool(suggestion(first, COMMANDS))
            if first and first not in (*COMMANDS, "--help") and not mistyped:
                args = ["run", *args]
            return list(super().parse_args(ctx, args))

    app = typer.Typer(
        cls=FileFirst,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Dose finding that sees late toxicity. `alphatwin trial DESIGN.yaml` writes operating characteristics, "
        "pictures, the protocol's text and a machine-readable spec; `replay` decides recorded data again.",
    )
    _add_run(app)
    _add_replay(app)
    _add_tables(app)
    _add_schema(app)
    add_phase_two(app)
    return app


def _add_run(app: typer.Typer) -> None:
    import typer

    @app.command("run", short_help="Operating characteristics of a design.")
    def run_command(
        file: pathlib.Path = typer.Argument(..., metavar="DESIGN.yaml", help="The trial file, or a spec.json."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        trials: int = typer.Option(None, "--trials", min=1, max=10_000_000, help="Override simulation.trials."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override simulation.seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the page is."),
    ) -> None:
        """What the designs of a file do under its truths; writes trial.html, tables, protocol.txt and spec.json."""
        _run(file, out, trials, seed, quiet)


def _add_replay(app: typer.Typer) -> None:
    import typer

    @app.command("replay", short_help="The decision for recorded data.")
    def replay_command(
        spec: pathlib.Path = typer.Argument(..., metavar="SPEC", help="spec.json, or the trial file."),  # noqa: B008
        data: pathlib.Path = typer.Argument(..., metavar="DATA.csv", help="One row a patient: level, dlt, ..."),  # noqa: B008
        design: str = typer.Option(None, "--design", "-d", help="Which design, if the spec has several."),
        levels: int = typer.Option(None, "--levels", min=1, max=1000, help="Dose levels, if no truth tells."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """Decide recorded data again from a spec: each decision beside what was done, then the next one.

        Columns: level, dlt; and if known follow_up_weeks, enrolled_week, stopped_week, evaluable, response, trial, patient.
        """
        _replay(spec, data, design, levels, as_json)


def _add_tables(app: typer.Typer) -> None:
    import typer

    @app.command("table", short_help="Decision table of an interval design.")
    def table_command(
        kind: str = typer.Argument(..., help="boin, keyboard, mtpi2, i3plus3, three_plus_three, rolling_six."),
        target: float = typer.Option(0.25, "--target", help="Target DLT rate."),
        cohort_size: int = typer.Option(3, "--cohort-size", min=1, max=100),
        patients: int = typer.Option(30, "--patients", min=1, max=1000, help="Largest number at a level."),
        as_csv: bool = typer.Option(False, "--csv", help="As CSV."),
        as_html: bool = typer.Option(False, "--html", help="As HTML, with the rule in words."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """Escalate, de-escalate, eliminate, stop: by patients and DLTs at a level."""
        _table(
            kind, target, cohort_size, patients, "csv" if as_csv else "html" if as_html else "json" if as_json else ""
        )

    @app.command("kinds", short_help="The kinds of design a file may name.")
    def kinds_command(as_json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
        """The kinds of design that a trial file may name, each with what it is."""
        _kinds(as_json)


def _add_schema(app: typer.Typer) -> None:
    import typer

    @app.command("schema", short_help="JSON Schema of a trial file, for editors.")
    def schema_command(as_json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
        """Print the JSON Schema of a trial file, for editors."""
        from ..trials.spec import trial_schema

        print(json.dumps(trial_schema(), indent=2))


def _run(file: pathlib.Path, out: pathlib.Path, trials: int | None, seed: int | None, quiet: bool) -> None:
    with _progress(quiet) as stage:
        stage("reading")
        from ..trials.spec import load_trial

        spec = load_trial(file)
        changes = {k: v for k, v in (("trials", trials), ("seed", seed)) if v is not None}
        if changes:
            spec = spec.model_copy(update={"simulation": spec.simulation.model_copy(update=changes)})
        from ..report import check_writable
        from ..report.trial import trial_text, write_trial
        from ..trials.running import run_trial

        check_writable(out, spec.trial)  # before the work, not after it
        result = run_trial(spec, file.parent, stage)
        stage("writing")
        folder = write_trial(result, out)
    if not quiet:
        print(trial_text(result))
    print(f"Page: {folder / 'trial.html'}")


def _replay(spec_file: pathlib.Path, data: pathlib.Path, design: str | None, levels: int | None, as_json: bool) -> None:
    import dataclasses

    from ..report.trial import replay_text
    from ..trials.replay import read_rows, replay_rows, split_trials
    from ..trials.spec import load_trial

    spec = load_trial(spec_file, check_truths=False)
    made = spec.recorded_design(design)
    known = levels or made.levels or spec.levels
    calendar = None if spec.calendar is None else spec.calendar.build()
    groups = split_trials(read_rows(data))
    found = [replay_rows(made, rows, levels=known, calendar=calendar, trial=trial) for trial, rows in groups.items()]
    if as_json:
        told = [{**dataclasses.asdict(r), "agrees": r.agrees} for r in found]
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
        return
    if len(found) == 1:
        print(replay_text(found[0]))
        return
    print(f"{len(found)} trials, {made.name}: {sum(r.agrees for r in found)} with every decision as the rule has it.\n")
    for r in found:
        chosen = f"level {r.recommended}" if r.recommended else "no level"
        mark = "" if r.agrees else "  differs from the rule"
        print(f"trial {r.trial}: {len(r.steps)} decisions, recommended: {chosen}{mark}")


def _table(kind: str, target: float, cohort_size: int, patients: int, form: str) -> None:
    from ..report.trial import decisions_csv, decisions_text
    from ..trials.spec import make_design

    given: dict[str, Any] = {"kind": kind}
    fixed = kind in ("three_plus_three", "rolling_six")  # nothing to choose
    if not fixed:
        given |= {"target": target, "cohort_size": cohort_size, "cohorts": max(patients // cohort_size, 1)}
    design = make_design(given)
    if not hasattr(design, "table"):
        raise CaseError(f"{design.name} has no decision table: its decision rests on all levels at once.")
    table = design.table() if fixed else design.table(patients)
    if form == "json":
        print(json.dumps({"title": table.title, "rows": table.rows}, indent=2))
    elif form == "html":
        print(table.to_html(), end="")
    else:
        print(decisions_csv(table) if form == "csv" else decisions_text(table), end="")


def _kinds(as_json: bool) -> None:
    from ..trials.spec import design_kinds

    kinds = design_kinds()
    if as_json:
        print(json.dumps(kinds, indent=2, ensure_ascii=False))
        return
    for kind, text in kinds.items():
        room = 80 - 18
        print(f"{kind:18s}{text if len(text) <= room else text[: room - 3] + '...'}")
