"""The command line: it calls `run` and the stages, prints, and holds no science.

Every error a user can cause ends as one message and exit code 2, without a traceback. Imports stand inside the
commands: ``alphatwin --version`` must answer before the science is loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import typer

WIDTH = 80
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_FAILED_VALIDATION = 1


def main() -> None:
    """Entry point of the command ``alphatwin``."""
    _readable_output()
    if sys.argv[1:] in (["--version"], ["-V"]):  # before typer is imported: a third of the time
        from .. import __version__

        print(f"alphatwin {__version__}")
        return
    from ..errors import AlphatwinError

    try:
        code = _called()
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk or a closed pipe shows here, not while Python shuts down
    except (AlphatwinError, SystemError, KeyboardInterrupt) as error:
        if was_interrupted(error):
            _stop("Interrupted; nothing half-written was left behind.", EXIT_INTERRUPTED)
        if isinstance(error, SystemError):
            raise
        _stop(str(error), EXIT_BAD_INPUT)
    except BrokenPipeError:  # `alphatwin list nuclide | head -1`: the reader has all that it wants
        _forget_output()
    except OSError as error:
        _forget_output()
        _stop(f"The output could not be written: {(error.strerror or str(error)).lower()}.", EXIT_BAD_INPUT)
    else:
        raise SystemExit(code)


def _called() -> int:
    """Let typer read the command line and call the command; the exit code."""
    import typer

    # typer carries its own copy of click or needs the real one, by version: its error class is found by name
    usage_error: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    command = typer.main.get_command(_app())
    try:
        code = command.main(prog_name="alphatwin", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:  # what typer makes of a pipe that was closed
        raise BrokenPipeError from None
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(getattr(error, "ctx").get_help())  # noqa: B009
            return EXIT_BAD_INPUT
        path = getattr(getattr(error, "ctx", None), "command_path", "alphatwin")
        message = " ".join(str(getattr(error, "format_message")()).split())  # noqa: B009
        message = re.sub(r"\(Possible options: (.*)\)$", r"Did you mean \1?", message)
        _stop(f"{message}{'' if message[-1] in '.?' else '.'} See `{path} --help`.", EXIT_BAD_INPUT)
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C stands behind this error: one that arrives inside a compiled kernel comes out as a SystemError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code) from None


def _forget_output() -> None:
    """Give standard output up for good, so that Python does not try to flush it while it shuts down."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_PLAIN = {"±": "+/-", "µ": "u", "μ": "u", "×": "x", "–": "-", "—": "-", "·": ".", "→": "->", "≤": "<=", "≥": ">=",
          "α": "alpha", "β": "beta", "γ": "gamma", "’": "'", "…": "..."}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: ± where the terminal has no ± is +/-, an accent falls away, the rest is a question mark."""
    import unicodedata

    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    bare = ("".join(c for c in unicodedata.normalize("NFKD", b) if ord(c) < 128) for b in bad)
    return "".join(_PLAIN.get(b) or c or "?" for b, c in zip(bad, bare, strict=True)), error.end


def _readable_output() -> None:
    """Output that a terminal without Unicode can show, instead of a crash."""
    import codecs

    codecs.register_error("alphatwin-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="alphatwin-plain")


def _app() -> Any:
    import typer

    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Targeted alpha therapy: from measured activity to dose, effect and the next cycle. Research software, "
        "not a medical device.",
    )

    @app.callback()
    def root(version: bool = typer.Option(False, "--version", "-V", help="Print the version.")) -> None:
        """Targeted alpha therapy: from measured activity to dose, effect and the next cycle."""
        if version:
            from .. import __version__

            print(f"alphatwin {__version__}")
            raise typer.Exit

    _add_work(app)
    _add_catalogue(app)
    from . import _animals, _cohort, _dose, _evidence, _fit, _images, _pacs, _phantom, _plans

    _dose.add(app)
    _evidence.add(app)
    _animals.add(app)
    _fit.add(app)
    _cohort.add(app)
    _plans.add(app)
    _images.add(app)
    _phantom.add(app)
    app.add_typer(_pacs.pacs_app(), name="pacs", short_help="Fetch from a PACS, store into it.")
    _add_trial(app)
    return app


def _add_work(app: typer.Typer) -> None:
    """The commands that compute."""
    import typer

    json_option: Any = typer.Option(False, "--json", help="As JSON.")

    @app.command("run", short_help="Run a case and write its report.")
    def run_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="The case to run."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        samples: int = typer.Option(None, "--samples", min=1, max=100_000, help="Override options.samples (1: point)."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override options.seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the report is."),
    ) -> None:
        """Run a case: writes report.html, summary.json and result.nc in a folder named after the case."""
        _run(case_file, out, samples, seed, quiet)

    @app.command("cells", short_help="A cluster of cells: dose, survival, control.")
    def cells_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="The case of cells to run."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override options.seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the report is."),
    ) -> None:
        """Dose and exact survival of every cell of a spheroid, layer or patch, with pictures of its section."""
        _cells(case_file, out, seed, quiet)

    @app.command("compare", short_help="Alpha and beta emitters side by side.")
    def compare_command(
        nuclides: list[str] = typer.Argument(..., metavar="NUCLIDE...", help="E.g. Ac-225 Pb-212 At-211 Lu-177 Y-90."),  # noqa: B008
        out: pathlib.Path = typer.Option(None, "--out", "-o", help="Folder for compare.html and .json."),  # noqa: B008
        dose: str = typer.Option("2 Gy", "--dose", help="Equal absorbed dose, mean over the nuclei."),
        decays: float = typer.Option(10.0, "--decays", help="Equal decays of the parent per cell."),
        half_life: str = typer.Option(None, "--biological-half-life", help="Of the agent in the tumour, e.g. '60 h'."),
        hypoxia: str = typer.Option("2.5 mmHg", "--hypoxia", help="Oxygen of hypoxic cells, in mmHg, % or kPa."),
        as_json: bool = json_option,
    ) -> None:
        """Compare nuclides at equal absorbed dose and at equal decays, from LET to survival, every number traced."""
        _compare(nuclides, out, dose, decays, half_life, hypoxia, as_json)

    @app.command("validate", short_help="Compare with published values, here and now.")
    def validate_command(
        select: str = typer.Argument(None, metavar="[GROUP]", help="A group, or a part of a quantity's name."),
        as_json: bool = json_option,
    ) -> None:
        """Compare with published values again, here and now; exit 1 if one is missed."""
        _validate(select, as_json)


def _add_catalogue(app: typer.Typer) -> None:
    """The commands that show what is known and where it comes from."""
    import typer

    json_option: Any = typer.Option(False, "--json", help="As JSON.")

    @app.command("list", short_help="List what the catalogue holds.")
    def list_command(
        kind: str = typer.Argument(None, help="agent, nuclide, medium ...; without it, all kinds with their numbers."),
        as_json: bool = json_option,
    ) -> None:
        """List what the catalogue holds."""
        _list(kind, as_json)

    @app.command("show", short_help="Show one entry, with units and sources.")
    def show_command(
        name: str = typer.Argument(..., help="A name from `alphatwin list`, or 'example' for a case to start from."),
        as_json: bool = json_option,
    ) -> None:
        """Show one entry of the catalogue: every number with its unit, source and place in it."""
        _show(name, as_json)

    @app.command("cite", short_help="How to cite; the sources of a result.")
    def cite_command(
        result: pathlib.Path = typer.Argument(None, help="A folder of results: its sources are printed."),  # noqa: B008
        as_json: bool = json_option,
    ) -> None:
        """How to cite alphatwin, the sources behind a result, and the notice of the decay data."""
        _cite(result, as_json)

    @app.command("schema", short_help="JSON Schema of a case, for editors.")
    def schema_command(
        kind: str = typer.Argument("patient", help="patient, images, cells, maps (of dose), or phantom."),
        as_json: bool = json_option,
    ) -> None:
        """Print the JSON Schema of a case file, for editors."""
        if kind == "phantom":
            from ..imaging.phantom import phantom_schema

            print(json.dumps(phantom_schema(), indent=2))
            return
        from ..case import schema

        print(json.dumps(schema(kind), indent=2))  # type: ignore[arg-type]


def _add_trial(app: typer.Typer) -> None:
    from ._trial import trial_app

    app.add_typer(trial_app(), name="trial", short_help="Dose finding: operating characteristics, replay.")


# --- run -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A spinner with the stage on standard error; plain nothing where there is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda stage: None
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(stage)


def _run(case_file: pathlib.Path, out: pathlib.Path, samples: int | None, seed: int | None, quiet: bool) -> None:
    from ..case import load
    from ..case.animals import is_animals
    from ..case.images import is_images

    if is_animals(case_file):
        from ._animals import run_animals

        run_animals(case_file, out, seed, quiet)
        return
    if is_images(case_file):
        from ._images_case import run_case

        run_case(case_file, out, samples, seed, quiet)
        return
    case = load(case_file)
    changes = {k: v for k, v in (("samples", samples), ("seed", seed)) if v is not None}
    if changes:
        case = case.model_copy(update={"options": case.options.model_copy(update=changes)})

    def work(stage: Callable[[str], None]) -> Any:
        from ..run import run

        return run(case, progress=stage, beside=case_file)

    write_report(case_file, case.case, out, quiet, work)


def write_report(
    case_file: pathlib.Path, name: str, out: pathlib.Path, quiet: bool, work: Callable[[Callable[[str], None]], Any],
    page: str = "Report: report.html", *, as_json: bool = False,
) -> None:  # fmt: skip
    """Do the work of a case and write its report; what cannot be done is told with the line that asks for it.

    Parameters
    ----------
    case_file : Path
    name : str
        Of the folder of results.
    out : Path
        Where that folder is made.
    quiet : bool
    work : callable
        Called with what is told the stages; imports the science and gives the report.
    page : str
        What is printed at the end: a word, and the page within the folder.
    as_json : bool
        Print the report as JSON, and nothing else.
    """
    from ..case import located
    from ..errors import AlphatwinError, OutputError

    with _progress(quiet) as stage:
        stage("loading the science")
        from ..report import check_writable

        check_writable(out, name)  # before the work, not after it
        try:
            report = work(stage)
        except OutputError:
            raise
        except AlphatwinError as error:  # what the case asks for cannot be done: say where the case asks for it
            raise type(error)(located(case_file, str(error))) from None
        stage("writing")
        folder = report.write(out)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    if not quiet:
        print(report.text())
    word, file = page.split(": ")
    print(f"{word}: {folder / file}")


# --- cells -----------------------------------------------------------------------------------------------------------


def _cells(case_file: pathlib.Path, out: pathlib.Path, seed: int | None, quiet: bool) -> None:
    from ..case.cells import load_cells

    case = load_cells(case_file)
    if seed is not None:
        case = case.model_copy(update={"options": case.options.model_copy(update={"seed": seed})})

    def work(stage: Callable[[str], None]) -> Any:
        from ..run.cells import run_cells

        return run_cells(case, case_file, stage)

    write_report(case_file, case.case, out, quiet, work)


# --- compare ---------------------------------------------------------------------------------------------------------


def _compare(
    nuclides: list[str],
    out: pathlib.Path | None,
    dose: str,
    decays: float,
    half_life: str | None,
    hypoxia: str,
    as_json: bool,
) -> None:
    from ..units import read_quantity

    gray = read_quantity(dose, "Gy", "absorbed dose", "--dose")
    hours = read_quantity(half_life, "h", "time", "--biological-half-life") if half_life is not None else float("inf")
    with _progress(as_json) as stage:
        stage("comparing")
        from ..biology.oxygen import oxygen_pressure_mmHg
        from ..comparison import Conditions, compare
        from ..report import compare_text, write_comparison

        pressure = oxygen_pressure_mmHg(hypoxia)
        found = compare(
            nuclides, Conditions(dose_Gy=gray, decays=decays, biological_half_life_h=hours, hypoxia_mmHg=pressure)
        )
        folder = write_comparison(found, out) if out is not None else None
    if as_json:
        print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    print(compare_text(found))
    if folder is not None:
        print(f"Page: {folder / 'compare.html'}")


# --- catalogue -------------------------------------------------------------------------------------------------------

_KINDS = (
    "agent",
    "nuclide",
    "medium",
    "anatomy",
    "tissue",
    "element",
    "fate",
    "structure",
    "cell-line",
    "parameters",
    "modifier",
    "outcome",
    "protector",
    "source",
)
_PLURALS = {
    "agents": "agent",
    "nuclides": "nuclide",
    "media": "medium",
    "mediums": "medium",
    "anatomies": "anatomy",
    "tissues": "tissue",
    "elements": "element",
    "fates": "fate",
    "structures": "structure",
    "cell-lines": "cell-line",
    "modifiers": "modifier",
    "outcomes": "outcome",
    "protectors": "protector",
    "sources": "source",
}


def _rows(kind: str) -> dict[str, str]:
    """Name -> one line about it."""
    from .. import catalog

    if kind == "nuclide":
        from ..physics import nuclide_names

        return dict.fromkeys(nuclide_names(), "")
    if kind == "source":
        return {key: source.text for key, source in sorted(catalog.sources().items())}
    return {name: str(getattr(entry, "name", "")) for name, entry in catalog.entries(kind).items()}


def _list(kind: str | None, as_json: bool) -> None:
    from ..errors import CatalogError, suggestion

    if kind is None:
        counts = {k: len(_rows(k)) for k in _KINDS}
        print(json.dumps(counts, indent=2) if as_json else "\n".join(f"{k:10s}{n:5d}" for k, n in counts.items()))
        if not as_json:
            print("\n`alphatwin list KIND` lists one kind, `alphatwin show NAME` shows one entry.")
        return
    kind = _PLURALS.get(kind.casefold(), kind.casefold())
    if kind not in _KINDS:
        raise CatalogError(f"The catalogue has no kind {kind!r}. {suggestion(kind, _KINDS)}Kinds: {', '.join(_KINDS)}.")
    rows = _rows(kind)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif kind == "nuclide":
        _columns(list(rows))
    else:
        width = max(map(len, rows), default=0) + 2
        for name, text in rows.items():
            room = 80 - width
            print(f"{name:{width}s}{text if len(text) <= room else text[: room - 3] + '...'}".rstrip())


def _columns(names: list[str]) -> None:
    per_line = 7
    for i in range(0, len(names), per_line):
        print("".join(f"{n:11s}" for n in names[i : i + per_line]).rstrip())


def _find(name: str) -> tuple[str, Any]:
    """Kind and entry of a name, whatever its kind."""
    from .. import catalog
    from ..errors import CatalogError, suggestion
    from ..physics import nuclide_names

    known: dict[str, tuple[str, str]] = {}
    for kind in catalog.KINDS:
        for key in catalog.entries(kind):
            known.setdefault(key.casefold(), (kind, key))
    for key in nuclide_names():
        known.setdefault(key.casefold(), ("nuclide", key))
    if name.casefold() in known:
        kind, key = known[name.casefold()]
        if kind == "nuclide":
            from ..physics import nuclide

            return kind, nuclide(key)
        return kind, catalog.entries(kind)[key]
    with contextlib.suppress(CatalogError):  # another spelling of a nuclide: 225Ac, Ac225
        from ..physics import nuclide

        return "nuclide", nuclide(name)
    if name in catalog.sources():
        return "source", catalog.sources()[name]
    names = [*(key for _, key in known.values()), *catalog.sources()]
    raise CatalogError(f"Nothing in the catalogue is called {name!r}. {suggestion(name, names)}See `alphatwin list`.")


def _show(name: str, as_json: bool) -> None:
    if name == "example":
        from .. import catalog

        print(catalog.path("example.yaml").read_text(encoding="utf-8"), end="")
        return
    kind, entry = _find(name)
    if kind == "nuclide":
        data = _nuclide_summary(entry)
    elif kind == "source":
        import dataclasses

        data = dataclasses.asdict(entry)
    else:
        data = entry.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        print(json.dumps({"kind": kind, **data}, indent=2, ensure_ascii=False))
        return
    for line in _as_lines(data):
        print(line)


def _nuclide_summary(nuclide: Any) -> dict[str, Any]:
    """A nuclide as plain values: half-life, decay, and its mean energy per decay by radiation."""
    from ..physics import RADIATIONS

    hours = float(nuclide.half_life_h)
    energies = {r: float(nuclide.energy_MeV(r)) for r in RADIATIONS}
    chain = {r: float(nuclide.energy_MeV(r, chain=True)) for r in RADIATIONS}
    return {
        "id": nuclide.name,
        "half_life_h": hours,
        "half_life": _span(hours),
        "half_life_source": nuclide.half_life_source,
        "modes": list(nuclide.modes),
        "progeny": {k: float(v) for k, v in nuclide.progeny.items()},
        "chain": list(nuclide.chain),
        "energy_MeV_per_decay": energies,
        "energy_MeV_per_decay_with_the_chain": chain,
        "sources": list(nuclide.sources),
    }


def _span(hours: float) -> str:
    """A time in the largest unit in which it is at least one."""
    for unit, size in (("y", 8766.0), ("d", 24.0), ("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600)):
        if hours >= size:
            return f"{hours / size:.4g} {unit}"
    return f"{hours * 3600:.4g} s"


def _as_lines(data: Any, indent: int = 0) -> Iterator[str]:
    """A nested entry as readable lines of at most 80 columns; a cited number on one line with its source."""
    pad = "  " * indent

    def wrapped(text: str) -> list[str]:
        return textwrap.wrap(text, WIDTH, initial_indent=pad, subsequent_indent=pad + "    ")

    if isinstance(data, dict):
        for key, value in data.items():
            if _is_cited(value):
                yield from wrapped(f"{key}: {_cited_line(value)}")
            elif isinstance(value, dict | list | tuple) and value:
                yield f"{pad}{key}:"
                yield from _as_lines(value, indent + 1)
            elif value not in ("", None):
                yield from wrapped(f"{key}: {_word(value)}")
    elif isinstance(data, list | tuple):
        for value in data:
            if isinstance(value, dict) and not _is_cited(value):
                first, *rest = [*_as_lines(value, indent + 1)] or [pad]
                yield f"{pad}- {first.strip()}"
                yield from rest
            else:
                yield from wrapped(f"- {_cited_line(value) if _is_cited(value) else _word(value)}")


def _word(value: Any) -> str:
    """One value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_cited(value: Any) -> bool:
    return isinstance(value, dict) and {"value", "unit", "source"} <= set(value)


def _cited_line(value: dict[str, Any]) -> str:
    what = [
        str(value[k]) for k in ("region", "quantity", "label", "parent", "daughter", "site", "endpoint") if k in value
    ]
    told = {"region", "quantity", "label", "parent", "daughter", "site", "endpoint",
            "value", "unit", "source", "locator", "verified", "u", "low", "high", "note", "distribution"}  # fmt: skip
    spread = f" ± {value['u']:g}" if value.get("u") else ""
    if value.get("low") is not None and value.get("high") is not None:
        spread += f" ({value['low']:g} to {value['high']:g})"
    unit = "" if value["unit"] == "1" else f" {value['unit']}"
    rest = "".join(f", {k} {_word(v)}" for k, v in value.items() if k not in told)
    mark = "" if value.get("verified") else ", NOT VERIFIED"
    note = f" {value['note']}" if value.get("note") else ""
    head = f"{', '.join(what)}: " if what else ""
    return f"{head}{value['value']:g}{spread}{unit}{rest} [{value['source']}, {value['locator']}{mark}]{note}"


# --- cite, validate --------------------------------------------------------------------------------------------------


def _cite(result: pathlib.Path | None, as_json: bool) -> None:
    from .. import __version__, catalog

    keys = _keys_of(result) if result is not None else []
    texts = {key: catalog.source(key).text for key in keys}
    notice = catalog.path("notices", "ICRP-07.txt").read_text(encoding="utf-8")
    if as_json:
        made = {"software": f"alphatwin {__version__}", "sources": texts, "notice": notice}
        print(json.dumps(made, indent=2, ensure_ascii=False))
        return
    print(f"alphatwin {__version__}: targeted alpha therapy from decay to course.")
    print("Research software, not a medical device. Apache-2.0.\n")
    if result is not None:
        print("Sources that this result used:\n")
        for key, text in texts.items():
            print("\n".join(textwrap.wrap(f"[{key}] {text}", WIDTH, break_on_hyphens=False)) + "\n")
    print("Nuclear decay data: the notice of its authors, repeated here as they ask.\n")
    print(notice)


def _keys_of(result: pathlib.Path) -> list[str]:
    """The sources that a result names in its summary.json."""
    from ..errors import OutputError

    file = result / "summary.json" if result.is_dir() else result
    if not file.is_file():
        raise OutputError(f"There is no result in {result}; give the folder that `alphatwin run` made.")
    try:
        keys = json.loads(file.read_text(encoding="utf-8"))["provenance"]["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{file} is not a summary.json of alphatwin; give the folder of a result.") from None
    return [str(key) for key in keys]


def _validate(select: str | None, as_json: bool) -> None:
    with _progress(as_json) as stage:
        stage("comparing with published values")
        from ..validation import as_text, validate

        rows = validate(select)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], indent=2, ensure_ascii=False))
    else:
        print(as_text(rows))
    if any(row.verdict == "MISS" for row in rows):
        import typer

        raise typer.Exit(EXIT_FAILED_VALIDATION)


if __name__ == "__main__":
    main()
