"""From YAML to a case: files that may be anything, and messages that name the line, the rule and the nearest name."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, WithJsonSchema

from .. import catalog
from ..errors import AlphatwinError, CaseError, suggestion
from ._fields import short as short_of
from .model import (
    Case,
    CellOptions,
    CurveTerm,
    DaughterOptions,
    ExternalBeam,
    FractionFiles,
    LimitChoice,
    MeasuredKinetics,
    Options,
    Patient,
    PriorCourse,
    RegionData,
    Treatment,
)
from .planned import PbpkKinetics, PlannedLesion

MAX_BYTES = 1_000_000
_EXAMPLES = {
    "AnimalsCase": "mouse-212pb", "CellsCase": "spheroid-225ac", "CohortSpec": "cohort-177lu", "FitSpec": "fit-177lu-population",
    "ImagesCase": "images-177lu", "MapsCase": "maps-177lu", "OptimalCase": "optimal-225ac", "PhantomSpec": "phantom-177lu",
    "ProtectCase": "protect-225ac", "TrialSpec": "trial-boin-225ac",
}  # fmt: skip
Model = TypeVar("Model", bound=BaseModel)
MAX_VALUES = 200_000  # of the file after its aliases are written out: a few bytes of YAML can ask for billions


def example_path() -> pathlib.Path:
    """Where the example case lies inside the package: a real patient, to run and to copy."""
    return catalog.path("example.yaml")


def load(path: str | pathlib.Path) -> Case:
    """Read and check a case file.

    Parameters
    ----------
    path : str or Path
        A YAML 1.2 file of at most 1 MB.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        One message per problem: the line, what was given, what is allowed, the nearest valid name.

    Examples
    --------
    >>> load("nowhere.yaml")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CaseError: There is no file nowhere.yaml.
    """
    return read_as(path, Case, _PARTS)


def read_as(path: str | pathlib.Path, model: type[Model], parts: Parts) -> Model:
    """Read and check a file against a model of another kind of case; `parts` are its models by place, for the messages."""
    name = pathlib.Path(path).name
    root, data = _parse(_text_of(pathlib.Path(path)), name, model)
    return _validated(data, name, lambda location: _line(root, location), model, parts)


def read_mapping(data: Mapping[str, Any], name: str, model: type[Model], parts: Parts) -> Model:
    """Check a mapping as `read_as` checks a file; `name` stands where a file's name would."""
    return _validated(data, name, lambda location: "", model, parts)


def located(path: str | pathlib.Path, message: str) -> str:
    """A message of a later stage, with the file and the line in front when it begins with a place in the case.

    Examples
    --------
    >>> located(example_path(), "kinetics.regions.liver: the curve rises.").startswith("example.yaml, line ")
    True
    """
    name, match = pathlib.Path(path).name, _PLACE.match(message)
    if match is None:
        return f"{name}: {message}"
    root, _ = _parse(_text_of(pathlib.Path(path)), name)
    return f"{name}{_line(root, tuple(match[0].split('.')))}, {message}"


_PLACE = re.compile(
    r"(?:patient|treatment|kinetics|daughters|prior_therapy|limits|options"
    r"|density|ct|medium|sources|chain|regions|method|dose_rate_at"
    r"|arms|endpoints|model|nuclide|published|study|tumour|strategies|constraints|search"
    r"|images|calibration|outlines|recovery|registration|fit|biology|earlier"
    r"|cells|cluster|source|uptake|response|oxygen|bystander|compare|designs|truths)(?:\.[\w-]+)*(?=:)"
)


def _text_of(file: pathlib.Path) -> str:
    """The text of a file that may be missing, a folder, endless, or no text at all."""
    name = file.name
    try:
        if file.is_dir():
            raise CaseError(f"{name or file} is a folder; a case is a YAML file.")
        if not file.exists():
            near = [p.name for p in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
            raise CaseError(f"There is no file {name}. {suggestion(name, near)}".rstrip())
        with file.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            size = max(file.stat().st_size, len(raw)) / 1e6
            raise CaseError(
                f"{name} has {size:.0f} MB; a case file has at most {MAX_BYTES / 1e6:.0f} MB. Is it the right file?"
            )
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"{name} is not text in UTF-8 (byte {error.start}). A case is a YAML file.") from None
    except OSError as error:
        raise CaseError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _parse(text: str, name: str, model: type[BaseModel] = Case) -> tuple[Any, dict[str, Any]]:
    """The tree of nodes, which knows lines, and the plain data."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is not None:
            _written_out(root, name, {})
        data = None if root is None else yaml.constructor.construct_document(root)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = (error.problem or error.context or "not valid YAML").strip().splitlines()[0]
        raise CaseError(f"{name}{at}: {_yaml_problem(problem)}.") from None
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else (str(error).splitlines() or ["?"])[0]
        raise CaseError(f"{name} is not valid YAML: {reason}.") from None
    if data is None:
        raise CaseError(f"{name} is empty. Start from an example: {_example_of(model)}.")
    if not isinstance(data, dict):
        kind = "list" if isinstance(data, list) else "text" if isinstance(data, str) else "single value"
        raise CaseError(
            f"{name} holds a {kind}; a case is a mapping of keys such as {', '.join(_asked_of(model))}. {_example_of(model)}."
        )
    return root, data


def _example_of(model: type[BaseModel]) -> str:
    """Where somebody finds a file of this kind to start from."""
    file = _EXAMPLES.get(model.__name__)
    return "`alphatwin show example` prints one" if file is None else f"examples/{file}.yaml is one"


def _asked_of(model: type[BaseModel]) -> list[str]:
    """A few keys of a model, those first that no file can leave out."""
    fields = sorted(model.model_fields.items(), key=lambda item: not item[1].is_required())
    return [field.alias or name for name, field in fields][:3]


def _yaml_problem(problem: str) -> str:
    """What the YAML parser says, in words that help."""
    for mark, words in _YAML_WORDS.items():
        if mark in problem:
            tag, key = (
                problem.rpartition("tag:yaml.org,2002:")[2].strip("'"),
                problem.partition('key "')[2].partition('"')[0],
            )
            return words.format(tag=tag, key=key[:60])
    return problem


_YAML_WORDS = {
    "constructor for the tag": "the tag !!{tag} is not allowed; a case holds plain text, numbers, lists and mappings",
    "'\\t'": "a tab stands here; indent with spaces",
    "mapping values are not allowed": "a colon stands where none can; put text that holds a colon in quotes",
    "another document": "a second document begins here; a case is one document, without further --- lines",
    "duplicate key": "the key {key!r} stands here for the second time",
}


def _written_out(node: Any, name: str, known: dict[int, int]) -> int:
    """Number of values below a node with every alias written out; refuses what refers to itself or grows without end."""
    if id(node) in known:
        size = known[id(node)]
        if size == 0:
            raise CaseError(f"{name}, line {node.start_mark.line + 1}: the value refers to itself; write it out.")
        return size
    known[id(node)] = 0
    size = 1
    if isinstance(node.value, list):
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                size += _written_out(part, name, known)
    if size > MAX_VALUES:
        line = node.start_mark.line + 1
        raise CaseError(
            f"{name}, line {line}: more than {MAX_VALUES} values, its aliases written out; that is no case."
        )
    known[id(node)] = size
    return size


def _line(root: Any, location: tuple[Any, ...]) -> str:
    """The line of a location, or of the last part of it that the file has."""
    node, line = root, None
    for step in location:
        found = None
        if isinstance(getattr(node, "value", None), list):
            for i, child in enumerate(node.value):
                if isinstance(child, tuple) and child[0].value == str(step):
                    found, line = child[1], child[0].start_mark.line + 1
                elif not isinstance(child, tuple) and str(i) == str(step):
                    found, line = child, child.start_mark.line + 1
        if found is None:
            break
        node = found
    return f", line {line}" if line else ""


# --- messages --------------------------------------------------------------------------------------------------------


def validated(data: Mapping[str, Any], name: str, line_of: Callable[[tuple[Any, ...]], str]) -> Case:
    """A case from a mapping, or one message per problem with its place."""
    return _validated(data, name, line_of, Case, _PARTS)


def _validated(
    data: Mapping[str, Any], name: str, line_of: Callable[[tuple[Any, ...]], str], model: type[Model], parts: Parts
) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        typos = {
            (*e["loc"][:-1], near) for e in faults if e["type"] == "extra_forbidden" for near in _meant(e["loc"], parts)
        }
        faults = [e for e in faults if e["type"] != "missing" or e["loc"] not in typos]  # its typo is told already
        inside = {e["loc"][:i] for e in faults for i in range(len(e["loc"]))}  # a list whose only value is wrong
        faults = [e for e in faults if e["type"] != "too_short" or e["loc"] not in inside]  # is not told to be empty
        messages = [_message(e, name, line_of, parts) for e in faults]
    except AlphatwinError as error:
        messages = [f"{name}: {error}"]
    shown = list(dict.fromkeys(m for m in messages if m))
    more = f"\n... and {len(shown) - 8} more." if len(shown) > 8 else ""
    raise CaseError("\n".join(shown[:8]) + more)


_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def _message(error: Any, name: str, line_of: Callable[[tuple[Any, ...]], str], parts: Parts) -> str:
    context = error.get("ctx", {})
    tagged = (*error["loc"], *context.get("place", ()))
    tagged = tuple(step for step in tagged if step != "[key]")
    location = _untagged(tagged)
    place = ".".join(map(_step, location))
    where = f"{name}{line_of(location)}, {place}" if location else name
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"{where}: {_unknown_key(tagged, parts)}"
    if kind == "missing":
        return f"{where} is missing. {_describe(tagged, parts)}".rstrip()
    return f"{where}: {_reason(error, kind, context, tagged, parts)}"


def _untagged(tagged: tuple[Any, ...]) -> tuple[Any, ...]:
    """The place in the file: without the kind that stands in the location of a part of which there are several."""
    if tagged[:1] == ("prior_therapy",) and len(tagged) > 2:
        return (*tagged[:2], *tagged[3:])
    if tagged[:1] == ("kinetics",) and len(tagged) > 1 and tagged[1] in _SOURCES:
        return (*tagged[:1], *tagged[2:])
    return tagged


def _reason(error: Any, kind: str, context: Mapping[str, Any], tagged: tuple[Any, ...], parts: Parts) -> str:
    """What is wrong with one value, in words."""
    given = error.get("input")
    short = short_of(given)
    if kind == "fault":
        return str(context["reason"])
    if "error" in context:
        return str(context["error"])
    if kind == "finite_number" or (isinstance(given, float) and not math.isfinite(given)):
        return f"{given} is not a finite number."
    if given is None:
        return f"is empty. {_describe(tagged, parts)}".rstrip()
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{short} is out of range; it must be {words} {context[key]}."
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return f"{short} is unknown. {suggestion(str(given), allowed.split(', '))}Allowed: {allowed}."
    if kind == "string_pattern_mismatch":
        return f"{short} cannot name a folder; use letters, digits, dot, dash and underscore, at most 64."
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"type {short_of(given.get('type'))} is unknown. Allowed: {', '.join(_TAGS)}."
    if kind == "too_short":
        return f"is empty. {_describe(tagged, parts)}".rstrip()
    if kind == "too_long":
        return f"has more than {context['max_length']} values; that is no measured curve."
    for start, words in _TYPE_WORDS.items():
        if kind.startswith(start):
            return f"{short} {words}"
    fields = _fields_at(tagged, parts)
    if fields and kind.endswith("_type"):
        return f"{short} stands where keys are expected: {', '.join(fields)}."
    return f"{error['msg']} (given: {short})."


_TYPE_WORDS = {
    "float": "is not a number; the unit stands in the key, so write a plain number.",
    "int": "is not a whole number.",
    "bool": "is neither true nor false.",
    "string": "is not text; put it in quotes.",
    "invalid_key": "is not a name; put it in quotes.",
    "tuple": "stands where a list is expected, e.g. [4, 24, 96].",
    "dict": "stands where names are expected, each with its own keys below it.",
}


def _step(step: object) -> str:
    """One step of a place; a key that could upset a terminal is shown as Python would."""
    text = str(step)
    return text if text.isprintable() and len(text) <= 60 else short_of(text)


def _meant(location: tuple[Any, ...], parts: Parts) -> list[str]:
    """The keys that a mistyped one may have meant."""
    return [key for key in _fields_at(location[:-1], parts) if key in suggestion(str(location[-1]), [key])]


def _unknown_key(tagged: tuple[Any, ...], parts: Parts) -> str:
    key, allowed = str(tagged[-1]), _fields_at(tagged[:-1], parts)
    homes = dict.fromkeys(".".join(_untagged(path)) for path, model in parts.items() if path and key in _keys(model))
    hint = suggestion(key, allowed)
    if homes and "Did you mean" not in hint:
        hint = f"It belongs under {' or '.join(h.replace('.*', '.<name>') for h in homes)}. "
    return f"there is no key {short_of(key)} here. {hint}Allowed: {', '.join(allowed)}."


_TAGS: dict[str, type[BaseModel]] = {"radionuclide": PriorCourse, "external_beam": ExternalBeam}
_SOURCES = ("measured", "pbpk")
Parts = Mapping[tuple[str, ...], type[BaseModel]]
_PARTS: Parts = {
    (): Case,
    ("patient",): Patient,
    ("treatment",): Treatment,
    ("kinetics",): MeasuredKinetics,
    ("kinetics", "measured"): MeasuredKinetics,
    ("kinetics", "measured", "regions", "*"): RegionData,
    ("kinetics", "measured", "regions", "*", "curve", "*"): CurveTerm,
    ("kinetics", "pbpk"): PbpkKinetics,
    ("kinetics", "pbpk", "lesions", "*"): PlannedLesion,
    ("daughters",): DaughterOptions,
    ("prior_therapy", "*"): PriorCourse,
    ("limits", "*"): LimitChoice,
    ("cells",): CellOptions,
    ("options",): Options,
    ("options", "transport"): FractionFiles,
}


def _model_at(location: tuple[Any, ...], parts: Parts) -> type[BaseModel] | None:
    """The part of the case that a location such as ('kinetics', 'regions', 'liver') points to."""
    if location[:1] == ("prior_therapy",) and len(location) == 3:
        return _TAGS.get(location[2])
    for pattern, model in parts.items():
        if len(pattern) == len(location) and all(p in ("*", str(s)) for p, s in zip(pattern, location, strict=True)):
            return model
    return None


def _keys(model: type[BaseModel]) -> list[str]:
    return [f.alias or n for n, f in model.model_fields.items()]


def _fields_at(location: tuple[Any, ...], parts: Parts) -> list[str]:
    model = _model_at(location, parts)
    return [] if model is None else _keys(model)


def _describe(location: tuple[Any, ...], parts: Parts) -> str:
    """What a key is for, with an example where there is one."""
    here = _model_at(location, parts)
    if here is not None:
        return f"It holds the keys {', '.join(_keys(here))}."
    model = _model_at(location[:-1], parts)
    for name, field in model.model_fields.items() if model is not None else ():
        if (field.alias or name) == location[-1]:
            examples = list(field.examples or ())
            for extra in field.metadata:
                if isinstance(extra, WithJsonSchema) and extra.json_schema:
                    examples += extra.json_schema.get("examples", [])
            told = f"It is: {field.description}. " if field.description else ""
            shown = f"Example: {location[-1]}: {examples[0]}" if examples and "e.g." not in told else ""
            return (told + shown).strip()
    return ""
