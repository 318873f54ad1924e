"""Models as text that other programs read: SBML Level 3 core, there and back, and Antimony.

SBML is written with amounts (``hasOnlySubstanceUnits``) and with the real size of every compartment. An event of the
model becomes an SBML event; an infusion becomes a rate that two events switch. Time begins at 0 in SBML: `start_min`
is what that 0 stands for. Reading takes the part of core that a `Model` can hold, and refuses the rest by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

from ...errors import AlphatwinError, CaseError
from . import _expressions as ex
from .model import Compartment, Event, Flux, Model, Rate, State

__all__ = ["from_sbml", "to_antimony", "to_sbml"]

_CORE = "http://www.sbml.org/sbml/level3/version2/core"
_CORES = (_CORE, "http://www.sbml.org/sbml/level3/version1/core")
_MATH = "http://www.w3.org/1998/Math/MathML"
_TIME = "http://www.sbml.org/sbml/symbols/time"
_OUTSIDE = "no_compartment"
_TAGS = {"+": "plus", "-": "minus", "*": "times", "/": "divide", "^": "power"}
_SIGNS = {v: k for k, v in _TAGS.items()}
_CALLS = {"exp": "exp", "log": "ln", "sqrt": "root"}
_NAMES = {v: k for k, v in _CALLS.items()}


# --- writing -------------------------------------------------------------------------------------------------------------


def _add(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def _space(name: str) -> str:
    return f"space_{name}"


def _numeral(parent: ET.Element, value: float) -> None:
    mantissa, _, exponent = repr(float(value)).partition("e")
    node = ET.SubElement(parent, "cn")
    node.text = mantissa
    if exponent:
        node.set("type", "e-notation")
        ET.SubElement(node, "sep").tail = str(int(exponent))


def _symbol(parent: ET.Element, name: str) -> None:
    ET.SubElement(parent, "ci").text = name


def _put(parent: ET.Element, e: ex.Expr, home: Mapping[str, str]) -> None:
    """One expression as content MathML."""
    if e[0] == "num":
        _numeral(parent, e[1])
    elif e[0] == "name":
        _symbol(parent, e[1])
    else:
        node = ET.SubElement(parent, "apply")
        tag = "divide" if e[0] == "conc" else _CALLS[e[1]] if e[0] == "call" else _TAGS[e[0]]
        ET.SubElement(node, tag)
        if e[0] == "conc":
            _symbol(node, e[1])
            _symbol(node, _space(home[e[1]]))
        for part in e[1:]:
            if isinstance(part, tuple):
                _put(node, part, home)


def _math(parent: ET.Element, text: str, home: Mapping[str, str]) -> None:
    _put(ET.SubElement(parent, "math", xmlns=_MATH), ex.parse(text, "SBML"), home)


def _units(node: ET.Element) -> None:
    units = _add(node, "listOfUnitDefinitions")
    for name, kind, scale, multiplier in (("minute", "second", "0", "60"), ("nmol", "mole", "-9", "1")):
        parts = _add(_add(units, "unitDefinition", id=name), "listOfUnits")
        _add(parts, "unit", kind=kind, exponent="1", scale=scale, multiplier=multiplier)


def _quantities(node: ET.Element, model: Model, values: Mapping[str, float]) -> None:
    """Compartments, species, parameters, and what sets them."""
    home = {s.name: s.compartment or _OUTSIDE for s in model.states}
    spaces = _add(node, "listOfCompartments")
    for c in (*model.compartments, Compartment(_OUTSIDE, "1")):
        _add(spaces, "compartment", id=_space(c.name), spatialDimensions="3", size="1", units="litre", constant="true")
    species = _add(node, "listOfSpecies")
    moved_by_rate = {r.state for r in model.rates}
    for s in model.states:
        if s.kind == "amount":
            _add(
                species, "species", id=s.name, compartment=_space(home[s.name]), initialAmount="0", substanceUnits="nmol",
                hasOnlySubstanceUnits="true", boundaryCondition=str(s.name in moved_by_rate).lower(), constant="false",
            )  # fmt: skip
    numbers = _add(node, "listOfParameters")
    for name in model.parameters:
        _add(numbers, "parameter", id=name, value=repr(float(values[name])), constant="true")
    for name in model.definitions:
        _add(numbers, "parameter", id=name, constant=str(name in model.parts.constants).lower())
    for s in model.states:
        if s.kind != "amount":
            _add(numbers, "parameter", id=s.name, value="0", constant="false")
    for e in model.events:
        _add(numbers, "parameter", id=f"inflow_{e.name}", value="0", constant="false")
    starts = _add(node, "listOfInitialAssignments")
    for c in model.compartments:
        _math(_add(starts, "initialAssignment", symbol=_space(c.name)), c.volume, home)
    for name, text in model.definitions.items():
        if name in model.parts.constants:
            _math(_add(starts, "initialAssignment", symbol=name), text, home)
    for s in model.states:
        _math(_add(starts, "initialAssignment", symbol=s.name), s.initial, home)


def _motion(node: ET.Element, model: Model) -> None:
    """Rules and reactions."""
    home = {s.name: s.compartment or _OUTSIDE for s in model.states}
    kind = {s.name: s.kind for s in model.states}
    rules = _add(node, "listOfRules")
    for name, text in model.definitions.items():
        if name not in model.parts.constants:
            _math(_add(rules, "assignmentRule", variable=name), text, home)
    fed = {
        e.state: [x.name for x in model.events if x.state == e.state] for e in model.events if kind[e.state] != "amount"
    }
    for r in model.rates:
        text = " + ".join([f"({r.rate})", *(f"inflow_{name}" for name in fed.get(r.state, []))])
        _math(_add(rules, "rateRule", variable=r.state), text, home)
    reactions = _add(node, "listOfReactions")
    inflows = [
        Flux(f"given_{e.name}", "", e.state, f"inflow_{e.name}") for e in model.events if kind[e.state] == "amount"
    ]
    for f in (*model.fluxes, *inflows):
        reaction = _add(reactions, "reaction", id=f.name, reversible="false")
        for end, group in ((f.source, "listOfReactants"), (f.target, "listOfProducts")):
            if end:
                _add(_add(reaction, group), "speciesReference", species=end, stoichiometry="1", constant="true")
        others = sorted(_mentioned(model, f) - {f.source, f.target})
        if others:
            modifiers = _add(reaction, "listOfModifiers")
            for name in others:
                _add(modifiers, "modifierSpeciesReference", species=name)
        _math(_add(reaction, "kineticLaw"), f.expression, home)


def _mentioned(model: Model, f: Flux) -> set[str]:
    amounts = {s.name for s in model.states if s.kind == "amount"}
    return ex.names(ex.parse(f.expression, f.name)) & amounts


def _happenings(e: Event, start_min: float) -> Iterator[tuple[str, str, str, str]]:
    """SBML events of one event: (id, time, variable, new value); a bolus and an infusion exclude each other."""
    shift = f"({e.start}) - ({start_min!r})"
    yield f"infusion_{e.name}_on", shift, f"inflow_{e.name}", f"({e.amount}) / ({e.duration})"
    yield f"infusion_{e.name}_off", f"{shift} + ({e.duration})", f"inflow_{e.name}", "0"


def to_sbml(model: Model, parameters: Mapping[str, float] | None = None, start_min: float = 0.0) -> str:
    """The model as SBML Level 3 Version 2 core.

    Parameters
    ----------
    model : Model
    parameters : mapping of str to float, optional
        Overrides; one value each.
    start_min : float
        The model's time that SBML's time 0 stands for.

    Returns
    -------
    str
        XML. Time in minutes, amounts in nmol, volumes in litres.

    Raises
    ------
    CaseError, DomainError
        An override that does not exist or does not fit.

    Examples
    --------
    >>> from alphatwin.kinetics.compiler import Flux, Model, State
    >>> m = Model("decay", {"k": 0.1}, (), (State("A", initial="1"), State("B")), (Flux("loss", "A", "B", "k * A"),))
    >>> to_sbml(m).count("<reaction ")
    1
    """
    values = model.check_values(parameters or {})
    root = ET.Element("sbml", {"xmlns": _CORE, "level": "3", "version": "2"})
    ident = re.sub(r"\W", "_", model.name)
    node = _add(
        root, "model", id=ident if not ident[0].isdigit() else f"m_{ident}", name=model.name, timeUnits="minute",
        substanceUnits="nmol", volumeUnits="litre", extentUnits="nmol",
    )  # fmt: skip
    _units(node)
    _quantities(node, model, values)
    _motion(node, model)
    home = {s.name: s.compartment or _OUTSIDE for s in model.states}
    events = _add(node, "listOfEvents")
    for e, (_, _, duration) in zip(model.events, model.parts.events, strict=True):
        if float(ex.evaluate(duration, values)) > 0:
            happenings = list(_happenings(e, start_min))
        else:
            happenings = [(f"bolus_{e.name}", f"({e.start}) - ({start_min!r})", e.state, f"{e.state} + ({e.amount})")]
        for name, when, variable, new in happenings:
            event = _add(events, "event", id=name, useValuesFromTriggerTime="true")
            trigger = _add(event, "trigger", initialValue="false", persistent="true")
            inner = ET.SubElement(ET.SubElement(trigger, "math", xmlns=_MATH), "apply")
            ET.SubElement(inner, "geq")
            clock = ET.SubElement(inner, "csymbol", {"encoding": "text", "definitionURL": _TIME})
            clock.text = "time"
            _put(inner, ex.parse(when, name), home)
            _math(_add(_add(event, "listOfEventAssignments"), "eventAssignment", variable=variable), new, home)
    _drop_empty(node)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _drop_empty(node: ET.Element) -> None:
    for child in list(node):
        if child.tag.endswith(
            (
                "listOfRules",
                "listOfReactions",
                "listOfEvents",
                "listOfInitialAssignments",
                "listOfSpecies",
                "listOfParameters",
            )
        ) and not len(child):
            node.remove(child)


def to_antimony(model: Model, parameters: Mapping[str, float] | None = None, start_min: float = 0.0) -> str:
    """The model as Antimony, the same content as SBML in a form that a person reads.

    Parameters
    ----------
    model : Model
    parameters : mapping of str to float, optional
    start_min : float
        The model's time that time 0 stands for.

    Returns
    -------
    str

    Examples
    --------
    >>> from alphatwin.kinetics.compiler import Flux, Model, State
    >>> m = Model("decay", {"k": 0.1}, (), (State("A", initial="1"), State("B")), (Flux("loss", "A", "B", "k * A"),))
    >>> "loss: A -> B; (k * A);" in to_antimony(m)
    True
    """
    values = model.check_values(parameters or {})
    home = {s.name: s.compartment or _OUTSIDE for s in model.states}
    kind = {s.name: s.kind for s in model.states}

    def said(text: str) -> str:
        volumes = {name: _space(place) for name, place in home.items()}
        return (
            ex.text_of(ex.substitute(ex.parse(text, "Antimony"), {}, volumes)).replace("**", "^").replace("log(", "ln(")
        )

    lines = ["// time in minutes, amounts in nmol, volumes in L", f"model {re.sub(r'[^0-9A-Za-z_]', '_', model.name)}"]
    lines += [f"  compartment {_space(c.name)} = {said(c.volume)};" for c in model.compartments]
    lines += [f"  compartment {_space(_OUTSIDE)} = 1;"]
    lines += [
        f"  substanceOnly species {s.name} in {_space(home[s.name])};" for s in model.states if s.kind == "amount"
    ]
    lines += [f"  {name} = {float(values[name])!r};  // {model.units.get(name, '')}" for name in model.parameters]
    lines += [
        f"  {name} {'=' if name in model.parts.constants else ':='} {said(text)};"
        for name, text in model.definitions.items()
    ]
    lines += [f"  {s.name} = {said(s.initial)};" for s in model.states]
    lines += [f"  {f.name}: {f.source} -> {f.target}; {said(f.expression)};" for f in model.fluxes]
    running = [
        e for e, parts in zip(model.events, model.parts.events, strict=True) if float(ex.evaluate(parts[2], values)) > 0
    ]
    lines += [f"  inflow_{e.name} = 0;" for e in running]
    for r in model.rates:
        into = "".join(f" + inflow_{e.name}" for e in running if e.state == r.state)
        lines.append(f"  {r.state}' = {said(r.rate)}{into};")
    lines += [f"  given_{e.name}: -> {e.state}; inflow_{e.name};" for e in running if kind[e.state] == "amount"]
    for e in model.events:
        if e in running:
            happenings = list(_happenings(e, start_min))
        else:
            happenings = [(f"bolus_{e.name}", f"({e.start}) - ({start_min!r})", e.state, f"{e.state} + ({e.amount})")]
        lines += [
            f"  {name}: at (time >= {said(when)}), t0=false: {what} = {said(new)};"
            for name, when, what, new in happenings
        ]
    return "\n".join([*lines, "end", ""])


# --- reading -------------------------------------------------------------------------------------------------------------


class _Reader:
    """One pass over an SBML model."""

    def __init__(self, root: ET.Element) -> None:
        space = root.tag.partition("}")[0].lstrip("{")
        if not root.tag.endswith("}sbml") or space not in _CORES:
            raise CaseError("This is not SBML Level 3 core (Version 1 or 2). Convert the file to Level 3 first.")
        if "required" in " ".join(root.attrib) and any(
            v == "true" for k, v in root.attrib.items() if k.endswith("required")
        ):
            raise CaseError("The SBML file needs a package beyond core, which is not read.")
        self.ns = f"{{{space}}}"
        model = root.find(f"{self.ns}model")
        if model is None:
            raise CaseError("The SBML file holds no model.")
        self.model = model
        for tag in ("listOfFunctionDefinitions", "listOfConstraints"):
            if model.find(self.ns + tag) is not None:
                raise CaseError(f"SBML: {tag} is not read.")

    def each(self, group: str, parent: ET.Element | None = None) -> list[ET.Element]:
        """Children of a list."""
        found = (self.model if parent is None else parent).find(self.ns + group)
        return [] if found is None else list(found)

    def math(self, node: ET.Element, where: str, by_concentration: frozenset[str] = frozenset()) -> str:
        """The node's MathML as text."""
        math = node.find(f"{{{_MATH}}}math")
        if math is None or len(math) != 1:
            raise CaseError(f"SBML, {where}: no formula.")
        return ex.text_of(_expression(math[0], where, by_concentration))


def _expression(node: ET.Element, where: str, by_concentration: frozenset[str]) -> ex.Expr:
    tag = node.tag.rpartition("}")[2]
    if tag == "cn":
        text = (node.text or "").strip()
        if len(node):
            tail = (node[0].tail or "").strip()
            if node.get("type") == "rational":
                return ("/", ("num", float(text)), ("num", float(tail)))
            text = f"{text}e{tail}"
        return ("num", float(text))
    if tag == "ci":
        name = (node.text or "").strip()
        return ("conc", name) if name in by_concentration else ("name", name)
    if tag == "apply" and len(node):
        head = node[0].tag.rpartition("}")[2]
        parts = [_expression(part, where, by_concentration) for part in node[1:]]
        if head in _NAMES and len(parts) == 1:
            return ("call", _NAMES[head], parts[0])
        if head == "minus" and len(parts) == 1:
            return ex.times(("num", -1.0), parts[0])
        if head in _SIGNS and parts and (len(parts) == 2 or head in ("plus", "times")):
            total = parts[0]
            for part in parts[1:]:
                total = (_SIGNS[head], total, part)
            return total
        raise CaseError(f"SBML, {where}: {head!r} is not read; there is + - * / power, exp, ln, root.")
    raise CaseError(f"SBML, {where}: {tag!r} is not read.")


def from_sbml(text: str) -> Model:
    """A model from SBML Level 3 core.

    Parameters
    ----------
    text : str
        The file's content: compartments of constant size, species, parameters, initial assignments, assignment and
        rate rules, reactions with stoichiometry 1 of one reactant and one product at most.

    Returns
    -------
    Model
        Checked as any other: mass, own volumes, sources. Flows are known to SBML as rates only, so their balance
        cannot be checked.

    Raises
    ------
    CaseError
        What is not read (events, functions, piecewise, delays, packages), or a model that does not fit, by name.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CaseError("An SBML file with a document type or entities is not read.")
    try:
        root = ET.fromstring(text)  # noqa: S314  no entities: refused above
    except ET.ParseError as error:
        raise CaseError(f"This is not XML: {error}.") from error
    try:
        return _read(_Reader(root))
    except AlphatwinError:
        raise
    except (KeyError, ValueError) as error:
        raise CaseError(f"SBML: a name or number is missing or cannot be read: {error}.") from error


def _read(r: _Reader) -> Model:
    if r.each("listOfEvents"):
        raise CaseError(
            f"SBML: events are not read (there is {r.each('listOfEvents')[0].get('id')!r}). Add them to the model as Event."
        )
    rooms = {c.get("id", ""): c for c in r.each("listOfCompartments")}
    for name, c in rooms.items():
        if c.get("constant") != "true":
            raise CaseError(f"SBML, compartment {name}: a size that changes is not read.")
    species = {s.get("id", ""): s for s in r.each("listOfSpecies")}
    loose = frozenset(n for n, s in species.items() if s.get("hasOnlySubstanceUnits") != "true")
    set_at_start = {a.get("symbol", ""): a for a in r.each("listOfInitialAssignments")}
    rules = r.each("listOfRules")
    by_rate = {x.get("variable", ""): x for x in rules if x.tag.endswith("rateRule")}
    by_rule = {x.get("variable", ""): x for x in rules if x.tag.endswith("assignmentRule")}
    if len(by_rate) + len(by_rule) != len(rules):
        raise CaseError("SBML: algebraic rules are not read.")
    parameters: dict[str, float] = {}
    definitions: dict[str, str] = {}
    states: list[State] = []
    for name, node in {**rooms, **{p.get("id", ""): p for p in r.each("listOfParameters")}}.items():
        if name in by_rate:
            states.append(
                State(name, initial=_start(r, name, node, set_at_start, loose, "value"), kind="signal", unit="1")
            )
        elif name in by_rule or name in set_at_start:
            definitions[name] = r.math(by_rule.get(name, set_at_start.get(name)), name, loose)  # type: ignore[arg-type]
        else:
            parameters[name] = _number(node, "size" if name in rooms else "value", name)
    for name, s in species.items():
        states.append(_read_species(r, name, s, set_at_start, loose))
    rates = []
    for variable, x in by_rate.items():
        text_ = r.math(x, f"rate of {variable}", loose)
        rates.append(
            Rate(variable, f"({text_}) * {species[variable].get('compartment')}" if variable in loose else text_)
        )
    return Model(
        r.model.get("name") or r.model.get("id") or "SBML model",
        parameters=parameters,
        compartments=tuple(Compartment(n, n) for n in rooms),
        states=tuple(states),
        fluxes=tuple(_read_reaction(r, x, loose, species) for x in r.each("listOfReactions")),
        rates=tuple(rates),
        definitions=_in_order(definitions),
    )


def _number(node: ET.Element, attribute: str, name: str) -> float:
    try:
        return float(node.get(attribute, ""))
    except ValueError as error:
        raise CaseError(f"SBML: {name} has no {attribute} and nothing that sets it.") from error


def _start(
    r: _Reader, name: str, node: ET.Element, starts: Mapping[str, ET.Element], loose: frozenset[str], key: str
) -> str:
    return r.math(starts[name], name, loose) if name in starts else repr(_number(node, key, name))


def _read_species(
    r: _Reader, name: str, s: ET.Element, starts: Mapping[str, ET.Element], loose: frozenset[str]
) -> State:
    place = s.get("compartment", "")
    if s.get("constant") == "true":
        raise CaseError(f"SBML, species {name}: a species that is constant is not read; make it a parameter.")
    per_volume = s.get("initialConcentration") is not None
    text = _start(r, name, s, starts, loose, "initialConcentration" if per_volume else "initialAmount")
    if (name in starts and name in loose) or (name not in starts and per_volume):
        text = f"({text}) * {place}"
    return State(name, place, text, unit="")


def _read_reaction(r: _Reader, x: ET.Element, loose: frozenset[str], species: Mapping[str, ET.Element]) -> Flux:
    name = x.get("id", "")
    ends = []
    for group in ("listOfReactants", "listOfProducts"):
        found = r.each(group, x)
        if len(found) > 1 or any(float(q.get("stoichiometry", "1")) != 1 for q in found):
            raise CaseError(f"SBML, reaction {name}: one reactant and one product with stoichiometry 1 are read.")
        ends.append(found[0].get("species", "") if found else "")
    for end in ends:
        if end and species[end].get("boundaryCondition") == "true":
            raise CaseError(f"SBML, reaction {name}: the boundary species {end} is not read.")
    law = x.find(f"{r.ns}kineticLaw")
    if law is None:
        raise CaseError(f"SBML, reaction {name}: no kinetic law.")
    if law.find(f"{r.ns}listOfLocalParameters") is not None:
        raise CaseError(f"SBML, reaction {name}: local parameters are not read; make them parameters of the model.")
    return Flux(name, ends[0], ends[1], r.math(law, f"reaction {name}", loose), crosses_border=not all(ends))


def _in_order(definitions: Mapping[str, str]) -> dict[str, str]:
    """Definitions, each after those it uses."""
    left, done = dict(definitions), {}
    while left:
        ready = [n for n, text in left.items() if not ex.names(ex.parse(text, n)) & left.keys()]
        if not ready:
            raise CaseError(f"SBML: the definitions of {', '.join(sorted(left))} need each other.")
        for n in ready:
            done[n] = left.pop(n)
    return done
