"""`alphatwin evidence`: list, show, check, ask, import, export, pool and plot what is known."""

from __future__ import annotations

import json
import pathlib
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

    from ..evidence import Evidence, Row, Selection

WIDTH = 80
MAX_CELL = 4000


def add(app: typer.Typer) -> None:
    """Put the commands under `alphatwin evidence`."""
    import typer

    room = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Studies of targeted alpha therapy: what is known, what contradicts itself, what is missing, and what it adds up to.",
    )
    _add_looking(room)
    _add_questions(room)
    _add_files(room)
    _add_pooling(room)
    app.add_typer(room, name="evidence", short_help="Studies, conflicts, gaps, pooled answers.")


def _shared_options() -> tuple[Any, Any, Any]:
    import typer

    return (
        typer.Option(None, "--extra", metavar="FOLDER", help="A folder of CSVs whose rows are added."),
        typer.Option(None, "--as-of", metavar="DAY", help="What was known on a day: 2025, 2025-10 or 2025-10-08."),
        typer.Option(False, "--json", help="As JSON."),
    )


def _open(extra: pathlib.Path | None, as_of: str | None) -> Evidence:
    from ..evidence import evidence

    return evidence(extra, as_of)


# --- looking ---------------------------------------------------------------------------------------------------------


def _add_looking(room: typer.Typer) -> None:
    import typer

    extra_option, day_option, json_option = _shared_options()

    @room.command("list", short_help="Studies, all or of an agent.")
    def list_command(
        agent: str = typer.Argument(None, help="Agent, radionuclide, ligand, or class of emitter: alpha, beta."),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """List the studies, with the response counted in each cohort."""
        _list(_open(extra, as_of), agent, as_json)

    @room.command("show", short_help="One study, row by row.")
    def show_command(
        study: str = typer.Argument(..., metavar="STUDY", help="A study or cohort from `alphatwin evidence list`."),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """Show every row about a study: what was read where, how closely, and what contradicts what."""
        _show(_open(extra, as_of), study, as_json)


def _add_questions(room: typer.Typer) -> None:
    import typer

    extra_option, day_option, json_option = _shared_options()

    @room.command("conflicts", short_help="Rows that contradict each other.")
    def conflicts_command(
        agent: str = typer.Argument(None, help="Only about this agent."),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """List the conflicts between sources, the rows involved, and what is done about each."""
        _conflicts(_open(extra, as_of), agent, as_json)

    @room.command("gaps", short_help="What no reachable source gives.")
    def gaps_command(
        agent: str = typer.Argument(None, help="Only about this agent."),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """List what is wanted and could not be found; of a day, about the studies that were known then."""
        store = _open(extra, as_of)
        rows = store.gaps(agent)
        if as_json:
            _json(store, [g.model_dump(mode="json") for g in rows])
            return
        for gap in rows:
            _say(f"{gap.name}: {gap.wanted}.", indent="  ")
        print(f"\n{len(rows)} gaps; {store.stamp}.")

    @room.command("query", short_help="Ask in SQL (DuckDB, read only).")
    def query_command(
        sql: str = typer.Argument(..., metavar="SQL", help='E.g. "SELECT study, events, total FROM counts".'),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """Ask a question in SQL over the tables and the view `counts`, where counts, percentages and intervals are derived."""
        store = _open(extra, as_of)
        found = store.query(sql)
        if as_json:
            _json(store, json.loads(found.to_json(orient="records", date_format="iso")))
            return
        _frame(found)
        print(f"\n{len(found)} rows; {store.stamp}.")

    @room.command("prisma", short_help="Counts of a PRISMA 2020 flow.")
    def prisma_command(
        extra: pathlib.Path = extra_option, as_of: str = day_option, as_json: bool = json_option
    ) -> None:
        """Count records found, left out, waiting and used, from the sources themselves."""
        import dataclasses

        from ..evidence import prisma

        store = _open(extra, as_of)
        flow = prisma(store)
        if as_json:
            _json(store, dataclasses.asdict(flow))
            return
        print(flow.text())
        print(f"\n{store.stamp}.")

    @room.command("schema", short_help="JSON Schema of the tables.")
    def schema_command() -> None:
        """Print the JSON Schema of the tables."""
        from ..evidence import schema

        print(json.dumps(schema(), indent=2))


def _json(store: Evidence, data: Any) -> None:
    print(json.dumps({"release": store.release, "as_of": store.as_of, "data": data}, indent=2, ensure_ascii=False))


def _say(text: str, indent: str = "", first: str = "") -> None:
    print("\n".join(textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."


def _count(row: Row) -> str:
    return f"{row.events}/{row.total}" if row.events is not None else "?"


def _percent(row: Row) -> str:
    if row.percent is None or row.interval is None:
        return ""
    low, high = row.interval
    return f"{row.percent + 1e-9:.0f} ({100 * low:.0f}-{100 * high:.0f})"


def _list(store: Evidence, agent: str | None, as_json: bool) -> None:
    studies = store.studies(agent)
    best: dict[str, list[Row]] = {}
    for row in store.select("response", agent=agent, species=None, role=None):
        best.setdefault(row.study, []).append(row)
    if as_json:
        _json(
            store,
            [{**s.model_dump(mode="json"), "response": [_row_dict(r) for r in best.get(s.id, [])]} for s in studies],
        )
        return
    print(f"{'study':25s}{'agent':20s}{'year':6s}{'design':16s}{'response':13s}")
    print("-" * 80)
    for s in studies:
        told = ", ".join(_count(r) for r in best.get(s.id, []))
        print(
            f"{_cut(s.id, 24):25s}{_cut(s.agent, 19):20s}{s.year or '':<6}{_cut(s.design, 15):16s}{_cut(told, 13)}".rstrip()
        )
    _say(f"{len(studies)} studies, {len(store.conflicts(agent))} conflicts, {len(store.gaps(agent))} gaps; {store.stamp}. "
         "`alphatwin evidence show STUDY` shows one.", first="\n")  # fmt: skip


def _row_dict(row: Row) -> dict[str, Any]:
    import dataclasses

    made = dataclasses.asdict(row)
    made.pop("overlaps_with")
    low, high = row.interval or (None, None)
    return {**made, "percent": row.percent, "exact_low": low, "exact_high": high}


_SHOWN = ("regimen", "outcome", "adverse_event", "time_to_event", "dosimetry", "claim")
_HIDDEN = {"id", "cohort", "extraction", "note", "value_as_printed"}


def _show(store: Evidence, name: str, as_json: bool) -> None:
    from ..errors import missing

    studies = {s.id: s for s in store.rows("study")}
    cohorts = {c.id: c.study for c in store.rows("cohort")}
    asked = name if name in studies else cohorts.get(name)
    if asked is None:
        raise missing("study", name, [*studies, *cohorts])
    study = studies[asked]
    readings = [e for e in store.rows("extraction") if e.study == asked]
    if as_json:
        mine = {e.id for e in readings}
        tables = {
            t: [r.model_dump(mode="json") for r in store.rows(t, corrected=True) if r.extraction in mine]
            for t in ("cohort", *_SHOWN)
        }
        _json(
            store,
            {
                "study": study.model_dump(mode="json"),
                "extraction": [e.model_dump(mode="json") for e in readings],
                **tables,
            },
        )
        return
    agent = store.one("agent", study.agent)
    _say(f"{study.id}: {study.title}. {agent.name}, {study.design.replace('_', ' ')}, {study.phase or 'phase not stated'}, {study.species}"
         f"{', ' + ', '.join(study.registry_id) if study.registry_id else ''}.")  # fmt: skip
    if study.overlaps_with:
        _say(f"Shares patients with {', '.join(study.overlaps_with)}.")
    for e in readings:
        source = store.one("source", e.source)
        print()
        _say(f"{e.id} [{e.status}] {source.citation}; {e.locator}.", indent="  ")
        for line in _facts(store, e.id):
            _say(line, indent="      ", first="    ")
        if e.note:
            _say(f"Note: {e.note}", indent="  ", first="  ")
    _derived(store, asked)
    about = [c for c in store.conflicts() if any(store.study_of(r) == asked for r in c.records)]
    for c in about:
        print()
        _say(f"Conflict {c.number}: {c.title}. Done here: {c.rule}.", indent="  ")
    for g in (g for g in store.rows("gap") if g.study == asked):
        _say(f"Missing: {g.wanted}.", indent="  ")
    print(f"\n{store.stamp}.")


def _facts(store: Evidence, extraction: str) -> Iterator[str]:
    for c in store.rows("cohort"):
        if c.extraction == extraction:
            sizes = ", ".join(
                f"{getattr(c, n)} {n[2:]}"
                for n in ("n_planned", "n_enrolled", "n_treated", "n_evaluable")
                if getattr(c, n) is not None
            )
            prior = (
                ""
                if c.prior == "unknown"
                else f"; prior therapy: {c.prior}{f' ({c.prior_n})' if c.prior_n is not None else ''}"
            )
            yield f"cohort {c.id}: {c.label}; {sizes or 'number not stated'}{prior}"
    for table in _SHOWN:
        for r in store.rows(table, corrected=True):
            if r.extraction != extraction:
                continue
            told = {k: v for k, v in r.model_dump(exclude_defaults=True).items() if k not in _HIDDEN}
            said = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in told.items())
            printed = getattr(r, "value_as_printed", "")
            why = store.corrected.get(f"{table}:{r.id}")
            yield f"{table.replace('_', ' ')}: {said}{f'; as printed: {printed}' if printed else ''}{f' [CORRECTED: {why}]' if why else ''}"


def _derived(store: Evidence, study: str) -> None:
    lines = []
    for outcome in ("objective_response", "disease_control", "blood_toxicity", "kidney_toxicity"):
        for row in store.counts(outcome):
            if row.study == study:
                told = _percent(row) or row.why_not
                lines.append(
                    f"  {outcome.replace('_', ' '):20s}{_cut(row.extraction, 24):25s}{_count(row):10s}{_cut(told, 23)}".rstrip()
                )
    if lines:
        print("\nDerived: count, % with exact 95 % interval")
        print("\n".join(lines))


def _conflicts(store: Evidence, agent: str | None, as_json: bool) -> None:
    found = store.conflicts(agent)
    if as_json:
        _json(store, [c.model_dump(mode="json") for c in found])
        return
    for c in found:
        _say(f"{c.number}. {c.title} [{c.state}]", indent="    ")
        _say(f"Done here: {c.rule}.", indent="    ", first="    ")
        _say(", ".join(c.records), indent="    ", first="    ")
    print(f"\n{len(found)} conflicts; {store.stamp}.")


def _frame(found: Any) -> None:
    """A frame in at most 80 columns: narrow columns side by side, or one value a line."""
    cells = [[str(c) for c in found.columns], *([_cell(v) for v in row] for row in found.itertuples(index=False))]
    widths = [max(len(r[i]) for r in cells) for i in range(len(found.columns))]
    if sum(widths) + 2 * (len(widths) - 1) <= WIDTH:
        for row in cells:
            print("  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip())
        return
    for row in cells[1:]:
        for name, value in zip(cells[0], row, strict=True):
            if value:
                _say(f"{name}: {value}", indent="    ")
        print()


def _cell(value: Any) -> str:
    import pandas as pd

    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]} .. ({len(text)} characters; --json gives them all)"


# --- files -----------------------------------------------------------------------------------------------------------


def _add_files(room: typer.Typer) -> None:
    import typer

    extra_option, day_option, json_option = _shared_options()

    @room.command("check", short_help="Check the store, or a folder of your own.")
    def check_command(
        folder: pathlib.Path = typer.Argument(None, help="A folder of CSVs that is added first."),  # noqa: B008
        as_json: bool = json_option,
    ) -> None:
        """Check every row, and tell what contradicts itself: percentages, fractions, sums, citations, activities."""
        _check(folder, as_json)

    @room.command("import", short_help="Rows out of RIS, BibTeX, ClinicalTrials.gov.")
    def import_command(
        file: pathlib.Path = typer.Argument(..., help="A saved .ris, .bib, or ClinicalTrials.gov v2 .json file."),  # noqa: B008
        to: pathlib.Path = typer.Option(..., "--to", metavar="FOLDER", help="Folder of CSVs that gets the rows."),  # noqa: B008
        agent: str = typer.Option(None, "--agent", help="Agent of a registry record, if its names do not tell."),
    ) -> None:
        """Add the rows of a file to a folder of CSVs; references wait there for a decision."""
        _import(file, to, agent)

    @room.command("export", short_help="The tables as Parquet or CSV.")
    def export_command(
        folder: pathlib.Path = typer.Argument(..., help="Where the files go."),  # noqa: B008
        as_csv: bool = typer.Option(False, "--csv", help="CSV instead of Parquet."),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
    ) -> None:
        """Write every table, and the counts derived from them, as Parquet; or the tables as CSV."""
        from ..report import write_parquet, write_tables

        store = _open(extra, as_of)
        if as_csv:
            write_tables(folder, {f"{name}.csv": text for name, text in store.csv().items()})
        else:
            write_parquet(folder, store)
        print(f"{folder}: {len(store.tables)} tables; {store.stamp}.")


def _check(folder: pathlib.Path | None, as_json: bool) -> None:
    from ..evidence import findings

    store = _open(folder, None)
    found = findings(store)
    if as_json:
        _json(store, [{"kind": f.kind, "records": list(f.records), "text": f.text} for f in found])
        return
    from ..evidence._findings import KINDS

    for kind, meaning in KINDS.items():
        mine = [f for f in found if f.kind == kind]
        if mine:
            _say(f"{kind}: {meaning} ({len(mine)})")
            for f in mine:
                _say(f"{f.text} [{', '.join(f.records)}]", indent="      ", first="    ")
    rows = sum(map(len, store.tables.values()))
    _say(f"{rows} rows hold together (types, links, one record each); {len(found)} findings. Nothing is corrected by a machine: append a row to "
         f"correction.csv. {store.stamp}.", first="\n")  # fmt: skip


def _import(file: pathlib.Path, to: pathlib.Path, agent: str | None) -> None:
    from ..errors import CatalogError
    from ..evidence import evidence, imported
    from ..evidence.reading import csv_text, read_folder
    from ..report import write_tables

    before = read_folder(to) if to.is_dir() and any(to.glob("*.csv")) else {}
    store = evidence(to if before else None)
    new = imported(file, store, agent)
    merged = {table: (*before.get(table, ()), *rows) for table, rows in new.tables.items()}
    from ..evidence.store import joined

    try:
        joined(evidence(), {**before, **merged})  # refuse before anything is written
    except CatalogError as error:
        raise CatalogError(f"{file.name}: {error}") from error
    write_tables(to, {f"{table}.csv": csv_text(table, rows) for table, rows in merged.items()})
    for line in new.told[:20]:
        _say(line, indent="  ", first="  ")
    if len(new.told) > 20:
        print(f"  and {len(new.told) - 20} more")
    told = ", ".join(f"{len(rows)} {table.replace('_', ' ')}" for table, rows in new.tables.items())
    _say(f"{to}: added {told}. Use it with --extra {to}.")


# --- pooling ---------------------------------------------------------------------------------------------------------


def _add_pooling(room: typer.Typer) -> None:
    import typer

    extra_option, day_option, json_option = _shared_options()
    outcome_argument: Any = typer.Argument(..., help="response, control, blood, kidney, or another outcome.")
    agent_option: Any = typer.Option("alpha", "--agent", help="Agent, radionuclide, ligand, or class of emitter.")
    prior_option: Any = typer.Option(None, "--prior", help="naive, exposed, progressed or refractory.")
    share_option: Any = typer.Option(0.5, "--prior-share", help="Share of a cohort that must have that status.")
    assessor_option: Any = typer.Option(None, "--assessor", help="central, investigator or unknown; only that.")
    confidence_option: Any = typer.Option(
        "seed", "--confidence", help="Read at least so closely: seed (or secondary), abstract, full_text."
    )
    denominator_option: Any = typer.Option("evaluable", "--denominator", help="evaluable or treated.")
    out_option: Any = typer.Option([], "--leave-out", help="Study or cohort to leave out; may be repeated.")
    keep_option: Any = typer.Option("largest", "--overlap", help="Of rows that share patients: largest, latest, closest, refuse, force.")  # fmt: skip
    grade_option: Any = typer.Option("3+", "--grade", help="Of toxicity: 3+ or 4+.")
    method_option: Any = typer.Option(None, "--method", help="glmm, inverse, beta-binomial, bayes or exact.")

    @room.command("pool", short_help="A pooled answer, and what moves it.")
    def pool_command(
        outcome: str = outcome_argument,
        agent: str = agent_option,
        prior: str = prior_option,
        prior_share: float = share_option,
        assessor: str = assessor_option,
        confidence: str = confidence_option,
        denominator: str = denominator_option,
        leave_out: list[str] = out_option,
        overlap: str = keep_option,
        grade: str = grade_option,
        method: str = method_option,
        by: str = typer.Option(
            None, "--by", help="Also in parts: agent, radionuclide, prior, assessor, status, study."
        ),
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
        as_json: bool = json_option,
    ) -> None:
        """Pool an outcome; beside it the other methods, each study left out, and what every other assumption would give."""
        chosen = _open(extra, as_of).select(
            outcome, agent=agent, prior=prior, prior_share=prior_share, assessor=assessor, confidence=confidence, denominator=denominator,
            leave_out=leave_out, grade=grade,
        )  # fmt: skip
        _pool(chosen, overlap, method, by, as_json)

    @room.command("forest", short_help="A forest plot, every row linked to its source.")
    def forest_command(
        outcome: str = outcome_argument,
        out: pathlib.Path = typer.Option("forest", "--out", "-o", help="Folder for forest.html and forest.pdf."),  # noqa: B008
        pdf: bool = typer.Option(True, "--pdf/--no-pdf", help="The PDF needs matplotlib (extra `evidence`)."),
        agent: str = agent_option,
        prior: str = prior_option,
        prior_share: float = share_option,
        assessor: str = assessor_option,
        confidence: str = confidence_option,
        denominator: str = denominator_option,
        leave_out: list[str] = out_option,
        overlap: str = keep_option,
        grade: str = grade_option,
        method: str = method_option,
        extra: pathlib.Path = extra_option,
        as_of: str = day_option,
    ) -> None:
        """Draw the rows, the pooled value and the prediction interval; release and day stand under the plot."""
        chosen = _open(extra, as_of).select(
            outcome, agent=agent, prior=prior, prior_share=prior_share, assessor=assessor, confidence=confidence, denominator=denominator,
            leave_out=leave_out, grade=grade,
        )  # fmt: skip
        _forest(chosen, out, overlap, method, pdf)


def _without_overlap(chosen: Selection, overlap: str) -> tuple[str, bool, Selection]:
    from ..errors import missing

    if overlap not in ("largest", "latest", "closest", "refuse", "force"):
        raise missing("rule for overlapping rows", overlap, ("largest", "latest", "closest", "refuse", "force"))
    if overlap == "refuse":
        chosen.checked()
    rule = overlap if overlap in ("largest", "latest", "closest") else "largest"
    return rule, overlap == "force", chosen if overlap == "force" else chosen.without_overlap(rule)


def _pool(chosen: Selection, overlap: str, method: str | None, by: str | None, as_json: bool) -> None:
    from ..evidence import moves

    rule, force, _ = _without_overlap(chosen, overlap)
    answer = moves(chosen, rule, force, **({} if method is None else {"method": method}))
    parts = {} if by is None else answer.selection.by(by)
    if as_json:
        _json(chosen.store, {**_answer_dict(answer), **({by: _parts_dict(parts, method)} if by else {})})
        return
    rows, base = answer.selection, answer.moves.base
    asked = rows.asked
    told = [asked.outcome.replace("_", " "), f"agent {asked.agent}"]
    told += [f"prior therapy {asked.prior}"] if asked.prior else []
    told += [f"read: {asked.confidence} or closer", f"over the {asked.denominator}"]
    _say(", ".join(told) + ".")
    print(f"\n{'cohort':24s}{'count':>9s}{'% (exact 95 %)':>17s}  {'how':14s}{'read':10s}")
    for r in rows:
        print(f"{_cut(r.text, 23):24s}{_count(r):>9s}{_percent(r):>17s}  {r.how:14s}{r.status:10s}".rstrip())
    print()
    print(
        "\n".join(
            line for text in str(base).splitlines() for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")
        )
    )
    if by is not None:
        print(f"\n{'by ' + by:38s}{'pooled %':>9s}{'interval %':>16s}{'count':>9s}{'k':>4s}")
        for name, x in _parts_dict(parts, method).items():
            span = f"{100 * x['ci'][0]:.1f} to {100 * x['ci'][1]:.1f}"
            print(
                f"{_cut(name, 37):38s}{100 * x['estimate']:9.1f}{span:>16s}{x['events']:>5d}/{x['total']:<3d}{x['studies']:4d}"
            )
    if base.k > 1:
        print(f"\n{answer.moves}")
        largest = answer.moves.largest
        _say(f"Moves the answer most: {largest.kind} '{largest.label}', {100 * largest.shift:+.1f} points.", first="\n")
    if answer.silent:
        _say(f"Changes no row: {'; '.join(answer.silent)}.", indent="  ")
    if answer.empty:
        _say(f"Leaves no row: {'; '.join(answer.empty)}.", indent="  ")
    for flag in rows.flags:
        _say(f"! {flag}", indent="  ")
    _left_out(rows)
    print(f"\n{rows.stamp}.")


def _parts_dict(parts: dict[str, Selection], method: str | None) -> dict[str, dict[str, Any]]:
    """Each part pooled by the same method; a single row gives its own exact interval."""
    made = {}
    for name, part in parts.items():
        way = {"method": "exact"} if len(part) == 1 else {} if method is None else {"method": method}
        p = part.pool(force=True, **way)  # the whole has passed the guards
        made[name] = {
            "estimate": p.estimate,
            "ci": list(p.ci),
            "events": sum(part.events),
            "total": sum(part.totals),
            "studies": len(part),
        }
    return made


def _left_out(rows: Selection) -> None:
    if rows.left_out:
        print("\nNot pooled:")
        for r, why in rows.left_out:
            _say(
                f"{r.text} ({r.extraction}){': ' + r.printed if r.printed else ''} - {why}", indent="      ", first="  "
            )


def _answer_dict(answer: Any) -> dict[str, Any]:
    base = answer.moves.base
    return {
        "rows": [_row_dict(r) for r in answer.selection],
        "left_out": [{"cohort": r.cohort, "extraction": r.extraction, "printed": r.printed, "why": why} for r, why in answer.selection.left_out],
        "estimate": base.estimate, "ci": list(base.ci), "prediction_interval": list(base.prediction_interval), "tau2": base.tau2, "i2": base.i2,
        "q": base.q, "method": base.method, "notes": list(base.notes), "flags": list(answer.selection.flags),
        "moves": [{"kind": v.kind, "label": v.label, "estimate": v.estimate, "ci": list(v.ci), "shift": v.shift, "studies": v.pooled.k}
                  for v in answer.moves.variations],
        "unchanged": list(answer.silent), "empty": list(answer.empty),
    }  # fmt: skip


def _forest(chosen: Selection, out: pathlib.Path, overlap: str, method: str | None, pdf: bool) -> None:
    from ..report.forest import write_forest

    _, force, rows = _without_overlap(chosen, overlap)
    way = {} if method is None else {"method": method}
    pooled = rows.pool(force, **way if len(rows) > 1 else {"method": "exact", **way})
    asked = rows.asked
    told = [asked.outcome.replace("_", " "), str(asked.agent), f"prior therapy {asked.prior}" if asked.prior else ""]
    title = ", ".join(t for t in (*told, f"read: {asked.confidence} or closer") if t)
    folder = write_forest(
        pooled,
        out,
        rows.links,
        pdf=pdf,
        title=f"{title[:1].upper()}{title[1:]} ({rows.stamp})",
        as_of=rows.as_of,
        release=rows.release,
        sources=rows.sources,
    )
    print(
        f"{len(rows)} row{'s' * (len(rows) != 1)}, {len(rows.left_out)} not pooled; {rows.stamp}.\nForest plot: {folder / 'forest.html'}"
    )
