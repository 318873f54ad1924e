"""A kinetic model as one frozen declaration that checks itself: names, mass, plasma flows, volumes.

Amounts move along fluxes from one state to another, so nothing is made or lost by a slip of the pen; a flux that
crosses the border of the body says so. Two kinds of error survive that in published models: a plasma flow that enters
an organ and does not leave it, and a flux divided by the volume of another compartment. Both are looked for here.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...errors import CaseError, DomainError, suggestion
from . import _expressions as ex

__all__ = ["Compartment", "Event", "Flux", "Model", "Rate", "State", "Whole"]

_CLOSE = 1e-9  # of a balance, relative: arithmetic in double precision, nothing else, is forgiven
_RESERVED = {*ex.FUNCTIONS, "conc", "t", "time"}


@dataclass(frozen=True)
class Compartment:
    """A well-stirred space; `volume` is an expression of parameters, L."""

    name: str
    volume: str


@dataclass(frozen=True)
class State:
    """A quantity that changes with time.

    Attributes
    ----------
    name, compartment : str
        An ``amount`` lives in a compartment (or in none, such as what has left with the urine).
    initial : str
        Expression of parameters.
    kind : {"amount", "signal", "integral"}
        Amounts take part in the balance of mass; a signal (a decay factor, an amino-acid level) and an integral do not.
    atol : float
        Absolute tolerance, in the state's unit.
    """

    name: str
    compartment: str = ""
    initial: str = "0"
    kind: Literal["amount", "signal", "integral"] = "amount"
    unit: str = "nmol"
    atol: float = 1e-9


@dataclass(frozen=True)
class Flux:
    """An amount per minute from `source` to `target`.

    Attributes
    ----------
    name, source, target : str
        An empty source or target means the outside of the model, and needs ``crosses_border=True``.
    rate : str
        Expression, amount per minute. Empty for a flow: then it is ``flow * conc(source)``; if both are given they
        must agree.
    flow : str
        Plasma flow that carries it, L/min, an expression of parameters; such fluxes enter the balance of flows.
    """

    name: str
    source: str
    target: str
    rate: str = ""
    flow: str = ""
    crosses_border: bool = False

    @property
    def expression(self) -> str:
        """The rate, or the flow times the concentration in its source."""
        return self.rate or f"({self.flow}) * conc({self.source})"


@dataclass(frozen=True)
class Rate:
    """The time derivative of a state written out: of a signal, of an integral, or of an amount in a read-in model."""

    state: str
    rate: str


@dataclass(frozen=True)
class Event:
    """A bolus (duration 0) or an infusion of `amount` into a state; times in minutes; expressions of parameters."""

    name: str
    state: str
    amount: str
    start: str = "0"
    duration: str = "0"


@dataclass(frozen=True)
class Whole:
    """An organ whose parts must fit into it: the sum of `parts` (compartments or expressions, L) is at most `volume`."""

    name: str
    volume: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """Compartments, states, fluxes, parameters and events of a kinetic model, refused at birth if they do not fit.

    Attributes
    ----------
    name : str
    parameters : mapping of str to float
        Default values; each can be overridden, also by one value per patient, when the model is solved.
    units : mapping of str to str
        Unit of each parameter, for the writers.
    definitions : mapping of str to str
        Named expressions, in order; each may use parameters, earlier definitions and states.
    compartments, states, fluxes, rates, events, wholes : tuple

    Raises
    ------
    CaseError
        A name that is unknown, double or not allowed; an expression that is no arithmetic; an amount without a way
        in or out that is declared; a flux that is divided by the volume of another compartment, or that takes from an
        empty state; rates of amounts that do not sum to zero.
    DomainError
        At the default values: volumes that are not above zero or do not fit into their organ; plasma flows that do
        not balance.

    Examples
    --------
    >>> two = Model(
    ...     "two rooms", parameters={"Q": 0.1, "V_a": 3.0, "V_b": 7.0, "dose": 10.0},
    ...     compartments=(Compartment("a", "V_a"), Compartment("b", "V_b")),
    ...     states=(State("A", "a"), State("B", "b")),
    ...     fluxes=(Flux("out", "A", "B", flow="Q"), Flux("back", "B", "A", flow="Q")),
    ...     events=(Event("bolus", "A", "dose"),),
    ... )
    >>> two.state_names
    ('A', 'B')
    """

    name: str
    parameters: Mapping[str, float]
    compartments: tuple[Compartment, ...]
    states: tuple[State, ...]
    fluxes: tuple[Flux, ...] = ()
    rates: tuple[Rate, ...] = ()
    events: tuple[Event, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    wholes: tuple[Whole, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("parameters", "definitions", "units"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        self._check_names()
        parts = self.parts
        _check_own_volumes(self, parts)
        _check_sources(self, parts)
        self.check_values({})
        _check_flow_rates(self, parts)
        _check_mass(self, parts)

    # --- names -------------------------------------------------------------------------------------------------------

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states, in order."""
        return tuple(s.name for s in self.states)

    def _check_names(self) -> None:
        kinds: tuple[tuple[str, Iterable[str]], ...] = (
            ("parameter", self.parameters),
            ("definition", self.definitions),
            ("state", self.state_names),
        )
        seen: dict[str, str] = {}
        for kind, group in kinds:
            for name in group:
                if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED:
                    raise CaseError(f"Model {self.name}: {name!r} cannot be the name of a {kind}. {_TIMELESS}")
                if name in seen:
                    raise CaseError(f"Model {self.name}: the name {name!r} stands for a {seen[name]} and a {kind}.")
                seen[name] = kind
        for what, group in (
            ("compartment", [c.name for c in self.compartments]),
            ("flux", [f.name for f in self.fluxes]),
            ("event", [e.name for e in self.events]),
        ):
            double = sorted({n for n in group if list(group).count(n) > 1})
            if double:
                raise CaseError(f"Model {self.name}: two {what} entries are called {double[0]!r}.")
        compartments = {c.name for c in self.compartments}
        for s in self.states:
            if s.compartment:
                self._known(s.compartment, compartments, f"state {s.name}", "compartment")
            if not s.atol > 0:
                raise CaseError(f"Model {self.name}: state {s.name} has atol {s.atol:g}; it must be above zero.")
        for f in self.fluxes:
            self._check_flux(f)
        for r in self.rates:
            self._known(r.state, self.state_names, "a rate", "state")
        for e in self.events:
            self._known(e.state, self.state_names, f"event {e.name}", "state")

    def _check_flux(self, f: Flux) -> None:
        for end in (f.source, f.target):
            if end:
                self._known(end, self.state_names, f"flux {f.name}", "state")
            elif not f.crosses_border:
                raise CaseError(
                    f"Model {self.name}: flux {f.name} has no {'source' if not f.source else 'target'}, so mass is not kept. "
                    "Name the state, or set crosses_border=True if it enters or leaves the body."
                )
        if bool(f.rate) == bool(f.flow) and not f.rate:
            raise CaseError(f"Model {self.name}: flux {f.name} has neither a rate nor a flow.")

    def _known(self, name: str, known: Iterable[str], where: str, kind: str) -> None:
        if name not in set(known):
            raise CaseError(f"Model {self.name}, {where}: no {kind} {name!r}. {suggestion(name, known)}".rstrip())

    # --- expressions -------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> _Parts:
        """Every expression read and with its definitions put in; made once."""
        if "_parts" not in self.__dict__:
            object.__setattr__(self, "_parts", _Parts(self))
        found: _Parts = self.__dict__["_parts"]
        return found

    def values(self, overrides: Mapping[str, npt.ArrayLike]) -> dict[str, Any]:
        """Parameters and definitions of parameters alone, with overrides; arrays[sample] stay arrays.

        Raises
        ------
        CaseError
            An unknown parameter.
        DomainError
            A value that is not a number, or arrays of different length.
        """
        unknown = [name for name in overrides if name not in self.parameters]
        if unknown:
            raise CaseError(
                f"Model {self.name} has no parameter {unknown[0]!r}. {suggestion(unknown[0], self.parameters)}"
                f"Known: {', '.join(self.parameters)}."
            )
        given: dict[str, Any] = dict(self.parameters)
        sizes = {}
        for name, value in overrides.items():
            try:
                array = np.asarray(value, dtype=float)
            except (TypeError, ValueError) as error:
                raise DomainError(
                    f"Parameter {name} given as {value!r}; a number or one number per sample is needed."
                ) from error
            if array.ndim > 1 or not bool(np.isfinite(array).all()) or array.size == 0:
                raise DomainError(f"Parameter {name}: finite numbers are needed, one, or one per sample.")
            if array.ndim == 1:
                sizes[name] = len(array)
            given[name] = float(array) if array.ndim == 0 else array
        if len(set(sizes.values()) - {1}) > 1:
            raise DomainError(f"Parameters have different numbers of samples: {sizes}.")
        for name, e in self.parts.constants.items():
            with np.errstate(all="ignore"):
                given[name] = ex.evaluate(e, given)
        return given

    # --- balances that need values -------------------------------------------------------------------------------------

    def check_values(self, overrides: Mapping[str, npt.ArrayLike]) -> dict[str, Any]:
        """Refuse volumes and flows that do not fit, in any sample; returns the values.

        Raises
        ------
        DomainError
            Naming the compartment or organ and the first sample.
        """
        values = self.values(overrides)
        volume = {c.name: ex.evaluate(self.parts.volumes[c.name], values) for c in self.compartments}
        for name, v in volume.items():
            _refuse(
                ~(np.asarray(v) > 0),
                v,
                f"Model {self.name}: the volume of {name} is {{value:.4g}} L{{at}}; it must be above zero.",
            )
        for w in self.wholes:
            inside = np.zeros(()) + sum(
                np.asarray(ex.evaluate(e, values), dtype=float) for e in self.parts.inside[w.name]
            )
            whole = ex.evaluate(self.parts.wholes[w.name], values)
            _refuse(
                np.asarray(inside > whole * (1 + _CLOSE)),
                inside,
                f"Model {self.name}: the parts {', '.join(w.parts)} fill {{value:.4g}} L{{at}}, more than {w.name} has "
                f"({w.volume} = {float(np.min(whole)):.4g} L).",
            )
        self._check_flows(values)
        return values

    def _check_flows(self, values: Mapping[str, Any]) -> None:
        home = {s.name: s.compartment for s in self.states}
        into: dict[str, list[tuple[str, Any]]] = {}
        out: dict[str, list[tuple[str, Any]]] = {}
        for f in self.fluxes:
            if not f.flow:
                continue
            flow = ex.evaluate(self.parts.flows[f.name], values)
            _refuse(
                np.asarray(flow) < 0,
                flow,
                f"Model {self.name}: the flow of {f.name} is {{value:.4g}} L/min{{at}}, below zero.",
            )
            out.setdefault(home.get(f.source, ""), []).append((f.name, flow))
            into.setdefault(home.get(f.target, ""), []).append((f.name, flow))
        for place in sorted({*into, *out} - {""}):
            a = np.asarray(sum((np.asarray(q, float) for _, q in into.get(place, [])), np.zeros(())))
            b = np.asarray(sum((np.asarray(q, float) for _, q in out.get(place, [])), np.zeros(())))
            told = f"in {', '.join(n for n, _ in into.get(place, [])) or 'nothing'}; out {', '.join(n for n, _ in out.get(place, [])) or 'nothing'}"
            _refuse(
                np.abs(a - b) > _CLOSE * np.maximum(a, b),
                a - b,
                f"Model {self.name}: plasma flows of {place} do not balance{{at}}: in minus out is {{value:.4g}} L/min ({told}). "
                "What flows in must flow out.",
            )


_TIMELESS = "A name is a plain word; time is not one (use an event, or a state that follows it), nor is a function."


class _Parts:
    """Expressions of a model, read, definitions put in."""

    def __init__(self, model: Model) -> None:
        states = frozenset(model.state_names)
        where = f"Model {model.name}, "
        reads: dict[str, ex.Expr] = {}
        own = {c.name: f"volume of {c.name}" for c in model.compartments}
        self.volume_of = {s.name: own.get(s.compartment, "") for s in model.states}
        known = {*model.parameters, *states, *own.values()}
        self.constants: dict[str, ex.Expr] = {}
        inlined: dict[str, ex.Expr] = {}

        def read(text: str, place: str, only_parameters: bool = False) -> ex.Expr:
            e = ex.parse(text, where + place)
            for name in sorted(ex.names(e)):
                if name not in known and name not in reads:
                    hint = suggestion(name, [*known, *reads])
                    raise CaseError(f"{where}{place}: {name!r} in {text!r} is unknown. {hint}".rstrip())
                if only_parameters and (name in states or name in inlined):
                    raise CaseError(
                        f"{where}{place}: {text!r} depends on the state {name!r}; only parameters can stand there."
                    )
            self._check_conc(e, where + place)
            return ex.substitute(e, inlined, self.volume_of)

        for name, text in model.definitions.items():
            e = read(text, f"definition {name}")
            reads[name] = e
            if ex.names(e) & states:
                inlined[name] = e
            else:
                self.constants[name] = e
        self.states = states
        self.volumes = {c.name: read(c.volume, f"volume of {c.name}", True) for c in model.compartments}
        self.constants.update({own[c]: e for c, e in self.volumes.items()})
        self.wholes = {w.name: read(w.volume, f"organ {w.name}", True) for w in model.wholes}
        self.inside = {
            w.name: [self.volumes.get(p) or read(p, f"part of {w.name}", True) for p in w.parts] for w in model.wholes
        }
        self.initial = {s.name: read(s.initial, f"initial of {s.name}", True) for s in model.states}
        self.flows = {f.name: read(f.flow, f"flow of {f.name}", True) for f in model.fluxes if f.flow}
        self.fluxes = {
            f.name: ex.expand(read(f.expression, f"flux {f.name}"), states, f"{where}flux {f.name}")
            for f in model.fluxes
        }
        self.rates = [
            (r.state, ex.expand(read(r.rate, f"rate of {r.state}"), states, f"{where}rate of {r.state}"))
            for r in model.rates
        ]
        self.events = [
            tuple(read(text, f"event {e.name}", True) for text in (e.amount, e.start, e.duration)) for e in model.events
        ]

    def _check_conc(self, e: ex.Expr, where: str) -> None:
        if e[0] == "conc" and not self.volume_of.get(e[1]):
            raise CaseError(f"{where}: conc({e[1]}) needs a state that lives in a compartment.")
        for part in e[1:]:
            if isinstance(part, tuple):
                self._check_conc(part, where)


def _refuse(bad: Any, value: Any, message: str) -> None:
    """Raise with the first bad sample's value put into the message."""
    bad = np.asarray(bad)
    if not bool(bad.any()):
        return
    value = np.broadcast_to(np.asarray(value, dtype=float), bad.shape) if bad.ndim else np.asarray(value, dtype=float)
    first = int(np.argmax(bad)) if bad.ndim else 0
    shown = float(value.ravel()[first if bad.ndim else 0])
    raise DomainError(message.format(value=shown, at=f" in sample {first}" if bad.ndim else ""))


def _volume_symbols(model: Model, e: ex.Expr) -> set[str]:
    """Compartments whose volume stands in a denominator of the expression."""
    names_of: dict[str, set[str]] = {}
    for c in model.compartments:
        names_of.setdefault(c.volume.strip(), set()).add(c.name)
        names_of.setdefault(f"volume of {c.name}", set()).add(c.name)
    found: set[str] = set()

    def walk(node: ex.Expr, below: bool) -> None:
        if node[0] == "name" and below and node[1] in names_of:
            found.update(names_of[node[1]])
        elif node[0] == "/":
            walk(node[1], below)
            walk(node[2], True)
        else:
            for part in node[1:]:
                if isinstance(part, tuple):
                    walk(part, below or node[0] == "inv")

    walk(e, False)
    return found


def _check_own_volumes(model: Model, parts: _Parts) -> None:
    """A flux is flow x amount / the amount's own volume: refuse the volume of a compartment that has no part in it."""
    home = {s.name: s.compartment for s in model.states}
    polys = [(f"flux {f.name}", parts.fluxes[f.name]) for f in model.fluxes]
    polys += [(f"rate of {state}", poly) for state, poly in parts.rates]
    for place, poly in polys:
        for mono, c in poly.items():
            own = {home[a] for a in mono if isinstance(a, str) and home[a]}
            over = _volume_symbols(model, c)
            same = {
                k.name
                for k in model.compartments
                if any(k.volume.strip() == h.volume.strip() for h in model.compartments if h.name in own)
            }
            foreign = over - own - same
            if foreign and own and not over & own:
                amount = ", ".join(a for a in mono if isinstance(a, str))
                raise CaseError(
                    f"Model {model.name}, {place}: the amount {amount} is divided by the volume of {', '.join(sorted(foreign))}; "
                    f"it lives in {', '.join(sorted(own))}. A flux is flow x amount / its own volume: write conc({amount})."
                )


def _check_flow_rates(model: Model, parts: _Parts) -> None:
    """A flux with a flow and a rate: the rate is flow x amount / own volume, or it is refused with the ratio."""
    home = {s.name: s.compartment for s in model.states}
    for f in model.fluxes:
        if not (f.flow and f.rate and home.get(f.source)):
            continue
        for seed in (1, 2):
            values = _probe(model, seed)
            expected = (
                ex.evaluate(parts.flows[f.name], values) * values[f.source] / values[f"volume of {home[f.source]}"]
            )
            found = ex.value_of(parts.fluxes[f.name], values)
            if abs(found - expected) > _CLOSE * abs(expected):
                raise CaseError(
                    f"Model {model.name}, flux {f.name}: its rate is {found / expected:.3g} times flow x amount / own volume "
                    f"({f.flow} x {f.source} / {home[f.source]}). Leave the rate out, or write conc({f.source})."
                )


def _probe(model: Model, seed: int) -> dict[str, Any]:
    """Parameters at their defaults, states at positive values without pattern."""
    values = model.values({})
    rng = np.random.Generator(np.random.Philox(key=seed))
    values.update(
        {name: float(v) for name, v in zip(model.state_names, rng.uniform(0.5, 2.0, len(model.states)), strict=True)}
    )
    return values


def _check_sources(model: Model, parts: _Parts) -> None:
    """A flux must not take from an empty state: what does not contain its source must not be positive."""
    for f in model.fluxes:
        if not f.source:
            continue
        left = {m: c for m, c in parts.fluxes[f.name].items() if not _holds(m, f.source)}
        for seed in (1, 2):
            if left and float(ex.value_of(left, _probe(model, seed))) > 1e-12:
                raise CaseError(
                    f"Model {model.name}: flux {f.name} still takes from {f.source} when it is empty; "
                    "its rate must be proportional to its source, or split into two fluxes."
                )


def _holds(mono: tuple[Any, ...], state: str) -> bool:
    return any(a == state if isinstance(a, str) else state in ex.names(a) for a in mono)


def _check_mass(model: Model, parts: _Parts) -> None:
    """Amounts written as rates must sum to zero; an amount must have some flux, rate or event."""
    amounts = {s.name for s in model.states if s.kind == "amount"}
    moved = (
        {end for f in model.fluxes for end in (f.source, f.target)}
        | {r.state for r in model.rates}
        | {e.state for e in model.events}
    )
    still = sorted(amounts - moved)
    if still:
        raise CaseError(f"Model {model.name}: nothing moves the amount {still[0]}. Give it a flux, or remove it.")
    for f in model.fluxes:
        for end in (f.source, f.target):
            if end and end not in amounts:
                raise CaseError(f"Model {model.name}: flux {f.name} moves mass to or from {end}, which is no amount.")
    written = [(state, poly) for state, poly in parts.rates if state in amounts]
    for seed in (1, 2, 3):
        values = _probe(model, seed)
        total: dict[tuple[Any, ...], float] = {}
        size: dict[tuple[Any, ...], float] = {}
        where: dict[tuple[Any, ...], list[str]] = {}
        for state, poly in written:
            for mono, c in poly.items():
                v = float(ex.value_of({mono: c}, values))
                total[mono] = total.get(mono, 0.0) + v
                size[mono] = size.get(mono, 0.0) + abs(v)
                where.setdefault(mono, []).append(state)
        for mono, v in total.items():
            if abs(v) > _CLOSE * size[mono]:
                what = " x ".join(a if isinstance(a, str) else "a function" for a in mono) or "a constant"
                raise CaseError(
                    f"Model {model.name}: mass is not kept: the terms with {what}, in the rates of {', '.join(dict.fromkeys(where[mono]))}, "
                    "do not cancel. What leaves one amount must enter another."
                )
