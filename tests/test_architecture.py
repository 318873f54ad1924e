"""The house rules that a machine can hold: one-way imports, one door to the data, quiet imports, no forbidden words."""

import ast
import json
import pathlib
import re
import subprocess
import sys

import pytest

import alphatwin

ROOT = pathlib.Path(alphatwin.__file__).parent
REPOSITORY = ROOT.parents[1]
ROOMS = ["errors", "units", "draws", "catalog", "case", "physics", "transport", "kinetics", "imaging", "dose", "biology", "comparison", "evidence", "cohort", "trials", "report", "run",
         "validation", "cli"]  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))


def room_of(file: pathlib.Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(file: pathlib.Path):
    depth = len(file.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            yield from ([node.module.split(".")[0]] if node.module else [a.name for a in node.names])
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("alphatwin."):
            yield node.module.split(".")[1]


def test_there_is_something_to_check():
    assert len(FILES) > 15
    assert {room_of(f) for f in FILES} - {"__init__", "__main__", "_callable", "_jit"} == set(ROOMS)


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) in ROOMS], ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_one_way(file):
    for room in imported_rooms(file):
        if room in ROOMS:
            assert ROOMS.index(room) <= ROOMS.index(room_of(file)), f"{file.name} imports {room}"


def test_only_the_catalogue_opens_its_data():
    for file in FILES:
        if room_of(file) != "catalog":
            text = file.read_text(encoding="utf-8")
            assert "catalog/data" not in text, file
            assert 'joinpath("data"' not in text, file


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_pickle_eval_or_shell(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert name not in {"eval", "exec", "system", "popen"}, f"{file.name}:{node.lineno}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {a.name for a in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}, f"{file.name}:{node.lineno}"


def calls(file: pathlib.Path):
    """Name and node of every call in a file: ``print``, ``open``, ``write_text``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")), node


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_only_the_command_line_prints_and_only_the_report_writes(file):
    if file.relative_to(ROOT).as_posix() == "transport/_tables.py":
        return  # run by hand to make the catalogue's tables, never by the package
    if file.name == "_jit.py":
        return  # keeps compiled code in the cache
    for name, node in calls(file):
        if name == "print":
            assert room_of(file) == "cli", f"{file.name}:{node.lineno}"
        if name in {
            "write_text",
            "write_bytes",
            "to_netcdf",
            "mkdir",
            "mkdtemp",
            "rmtree",
            "unlink",
            "savez",
            "to_csv",
        }:
            where = file.relative_to(ROOT).as_posix()
            assert room_of(file) == "report" or where == "imaging/_files.py", f"{file.name}:{node.lineno}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_network_no_global_state_no_hidden_randomness(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), f"{file.name}:{node.lineno}"
        names = {a.name for a in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
        top = {name.split(".")[0] for name in names}
        assert not top & {"socket", "urllib", "http", "requests", "httpx", "ftplib", "random", "webbrowser"}, file.name
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "random":
            assert node.attr in {"Generator", "Philox"}, f"{file.name}:{node.lineno} draws without a key"


def test_modules_and_functions_stay_small_enough_to_read():
    """The limits that say "look again": 800 lines a module, 80 a function."""
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert text.count("\n") <= 800, file.name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                documented = ast.get_docstring(node, clean=False) or ""
                length = node.end_lineno - node.lineno - documented.count("\n")
                assert length <= 80, f"{file.name}: {node.name} has {length} lines"


def test_text_of_the_repository_names_no_machine():
    forbidden = [f"/{'root'}/", f"/{'work'}/", f"/{'tmp'}/", f"{'pypi'}.org", f"files.{'pythonhosted'}"]
    kinds = {".py", ".md", ".yaml", ".toml", ".bib", ".csv", ".j2", ".txt", ".lock", ""}
    checked = 0
    for folder in ("src", "tests", "docs", "examples", "benchmarks", "."):
        for file in (REPOSITORY / folder).glob("*" if folder == "." else "**/*"):
            if (
                file.is_file()
                and file.suffix in kinds
                and "__pycache__" not in file.parts
                and not file.name.startswith(".")
            ):
                text = file.read_text(encoding="utf-8")
                checked += 1
                for word in forbidden:
                    assert word not in text, f"{file.relative_to(REPOSITORY)} names {word}"
    assert checked > 100


def test_public_names_are_sorted_and_each_can_be_had():
    assert alphatwin.__all__ == sorted(alphatwin.__all__)
    for name in alphatwin.__all__:
        assert getattr(alphatwin, name) is not None
    with pytest.raises(AttributeError, match="offers"):
        alphatwin.no_such_name  # noqa: B018


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_importing_loads_no_science():
    loaded = json.loads(python("import sys, json, alphatwin; print(json.dumps(sorted(sys.modules)))"))
    assert not {"numpy", "scipy", "numba", "xarray", "pandas", "pint", "plotly", "pydantic", "typer"} & set(loaded)


def test_help_loads_no_science():
    code = (
        "import sys, json\nfrom alphatwin.cli import main\nsys.argv = ['alphatwin', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    loaded = set(json.loads(python(code).splitlines()[-1]))
    assert not {"numpy", "scipy", "numba", "xarray", "pandas", "pint", "plotly"} & loaded


ORDERS = {
    "names first": "names(); modules(); names()",
    "modules first": "modules(); names()",
    "what is in a room first": "import alphatwin.run.maps, alphatwin.cohort.animals, alphatwin.evidence.pool; names()",
}


@pytest.mark.parametrize("order", ORDERS)
def test_names_are_the_same_in_every_order_of_imports(order):
    """`run`, `cohort` and `evidence` are rooms and functions: neither may hide the other."""
    code = f"""
import importlib, inspect, pathlib, pickle
import alphatwin as at
seen, root = dict(), pathlib.Path(at.__file__).parent
def modules():
    for home in sorted({{*at._HOME.values(), "run.maps", "cohort.animals", "evidence.pool"}}):
        importlib.import_module("alphatwin." + home)
def names():
    for name in at.__all__:
        assert seen.setdefault(name, getattr(at, name)) is getattr(at, name), name
        assert name == "__version__" or callable(getattr(at, name)), name
    for room in ("run", "cohort", "evidence"):
        both = getattr(at, room)
        assert inspect.ismodule(both) and pickle.loads(pickle.dumps(both)) is both
        assert callable(getattr(both, room)) and not inspect.ismodule(getattr(both, room))
    from alphatwin.run import run
    assert inspect.isfunction(run) and at.run.maps.run_maps is at.run_maps
    assert at.cohort.animals.animal_study is at.animal_study and at.evidence.pool.pool is at.pool
    assert at.evidence() is at.evidence() and at.trials.boin is at.boin
{ORDERS[order]}
print("yes")
"""
    assert python(code).strip() == "yes"


def test_the_page_of_names_has_every_name_once():
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `at\.(\w+)` \|", page, re.MULTILINE)
    assert sorted(named) == [name for name in alphatwin.__all__ if name != "__version__"]
    assert set(alphatwin.__all__) < set(dir(alphatwin))


def test_lock_names_no_address():
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    for forbidden in ("://", "--index", "--extra-index", "--find-links"):
        assert forbidden not in lock


def test_the_example_shown_is_the_example_shipped():
    shipped = (REPOSITORY / "examples" / "snmmi-patient4.yaml").read_text(encoding="utf-8")
    assert (ROOT / "catalog" / "data" / "example.yaml").read_text(encoding="utf-8") == shipped
