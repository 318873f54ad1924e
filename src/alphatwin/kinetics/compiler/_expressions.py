"""Arithmetic written as text: read through a whitelist, expanded, differentiated, evaluated; nothing is executed.

An expression becomes nested tuples, ``("+", a, b)``, ``("num", 2.0)``, ``("name", "V_liver")``. A flux is then
expanded to a polynomial: ``{monomial: coefficient}``, where a monomial is a sorted tuple of atoms (a state's name, or
an opaque function of states such as ``("inv", e)``) and a coefficient is an expression of parameters alone. What is
linear in the states is found that way, and the derivative of a polynomial is again one.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import CaseError

Expr = tuple[Any, ...]
Atom = Any
Poly = dict[tuple[Atom, ...], Expr]

FUNCTIONS = ("exp", "log", "sqrt")
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}
_LONGEST, _DEEPEST = 2000, 100
ZERO: Expr = ("num", 0.0)
ONE: Expr = ("num", 1.0)


def parse(text: str, where: str) -> Expr:
    """Nested tuples of an arithmetic expression: numbers, names, + - * / **, brackets, exp, log, sqrt, conc(state).

    Raises
    ------
    CaseError
        Anything else, with `where`.
    """
    if len(text) > _LONGEST:
        raise CaseError(
            f"{where}: an expression of {len(text)} characters; {_LONGEST} are allowed. Define parts by name."
        )
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CaseError(f"{where}: {text!r} is not an arithmetic expression.") from error
    return _read(tree, text, where)


def _read(node: ast.AST, text: str, where: str, depth: int = 0) -> Expr:
    if depth > _DEEPEST:
        raise CaseError(f"{where}: an expression nested deeper than {_DEEPEST}. Define parts by name.")
    deeper = depth + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        number = float(node.value) if abs(node.value) < 1e300 else math.inf
        if math.isfinite(number):
            return ("num", number)
    if isinstance(node, ast.Name):
        return ("name", node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _read(node.operand, text, where, deeper)
        return times(("num", -1.0), inner) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return (_BINARY[type(node.op)], _read(node.left, text, where, deeper), _read(node.right, text, where, deeper))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        if node.func.id in FUNCTIONS:
            return ("call", node.func.id, _read(node.args[0], text, where, deeper))
        if node.func.id == "conc" and isinstance(node.args[0], ast.Name):
            return ("conc", node.args[0].id)
    what = ast.unparse(node)
    raise CaseError(
        f"{where}: {what!r} in {text!r} is not allowed. An expression holds numbers, names, + - * / **, brackets, "
        f"{', '.join(f'{f}(x)' for f in FUNCTIONS)} and conc(state), the amount over its own volume."
    )


def names(e: Expr) -> set[str]:
    """Names an expression uses; of ``conc(x)``: x."""
    if e[0] in ("name", "conc"):
        return {e[1]}
    return set().union(*(names(part) for part in e[1:] if isinstance(part, tuple)), set())


def plus(a: Expr, b: Expr) -> Expr:
    """a + b, zeros and numbers folded."""
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    return ("num", a[1] + b[1]) if a[0] == b[0] == "num" else ("+", a, b)


def times(a: Expr, b: Expr) -> Expr:
    """a b, zeros, ones and numbers folded."""
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    return ("num", a[1] * b[1]) if a[0] == b[0] == "num" else ("*", a, b)


def substitute(e: Expr, by: Mapping[str, Expr], volumes: Mapping[str, str]) -> Expr:
    """Definitions put in place of their names, and ``conc(x)`` of x over the name of its volume."""
    if e[0] == "name":
        return by.get(e[1], e)
    if e[0] == "conc":
        return ("/", ("name", e[1]), ("name", volumes[e[1]]))
    return tuple(substitute(part, by, volumes) if isinstance(part, tuple) else part for part in e)


def evaluate(e: Expr, values: Mapping[str, Any]) -> Any:
    """Value of an expression of parameters; arrays broadcast."""
    kind = e[0]
    if kind == "num":
        return e[1]
    if kind == "name":
        return values[e[1]]
    if kind == "call":
        function: Callable[[Any], Any] = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt}[e[1]]
        return function(evaluate(e[2], values))
    if kind == "inv":
        return 1.0 / evaluate(e[1], values)
    a, b = evaluate(e[1], values), evaluate(e[2], values)
    if kind == "+":
        return a + b
    if kind == "-":
        return a - b
    if kind == "*":
        return a * b
    if kind == "/":
        return a / b
    return a**b


def text_of(e: Expr) -> str:
    """The expression as text that `parse` reads back, fully bracketed."""
    kind = e[0]
    if kind == "num":
        return repr(e[1]) if e[1] >= 0 else f"({e[1]!r})"
    if kind == "name":
        return str(e[1])
    if kind == "conc":
        return f"conc({e[1]})"
    if kind == "call":
        return f"{e[1]}({text_of(e[2])})"
    return f"({text_of(e[1])} {'**' if kind == '^' else kind} {text_of(e[2])})"


# --- polynomials -----------------------------------------------------------------------------------------------------


def _key(atom: Atom) -> str:
    return atom if isinstance(atom, str) else repr(atom)


def add_to(p: Poly, q: Poly, sign: float = 1.0) -> Poly:
    """p + sign q, a new polynomial."""
    out = dict(p)
    for mono, c in q.items():
        total = plus(out.get(mono, ZERO), times(("num", sign), c))
        if total == ZERO:
            out.pop(mono, None)
        else:
            out[mono] = total
    return out


def product(p: Poly, q: Poly) -> Poly:
    """p q, distributed."""
    out: Poly = {}
    for a, c in p.items():
        for b, d in q.items():
            out = add_to(out, {tuple(sorted((*a, *b), key=_key)): times(c, d)})
    return out


def expand(e: Expr, states: frozenset[str], where: str) -> Poly:
    """The expression as a polynomial in states and opaque functions of them.

    Raises
    ------
    CaseError
        A power whose exponent depends on a state.
    """
    if not names(e) & states:
        return {(): e}
    kind = e[0]
    if kind == "name":
        return {(e[1],): ONE}
    if kind in "+-":
        left, right = expand(e[1], states, where), expand(e[2], states, where)
        return add_to(left, right, -1.0 if kind == "-" else 1.0)
    if kind == "*":
        return product(expand(e[1], states, where), expand(e[2], states, where))
    if kind == "/":
        above = expand(e[1], states, where)
        if names(e[2]) & states:
            return product(above, {(("inv", e[2]),): ONE})
        return {mono: ("/", c, e[2]) for mono, c in above.items()}
    if kind == "^":
        if names(e[2]) & states:
            raise CaseError(
                f"{where}: the exponent of {text_of(e)} depends on a state; only parameters can stand there."
            )
        if e[2][0] == "num" and e[2][1] in (1.0, 2.0, 3.0):
            base = expand(e[1], states, where)
            out = base
            for _ in range(int(e[2][1]) - 1):
                out = product(out, base)
            return out
        return {(e,): ONE}
    return {(e,): ONE}


def derivative(p: Poly, state: str, states: frozenset[str]) -> Poly:
    """Partial derivative of a polynomial by one state."""
    out: Poly = {}
    for mono, c in p.items():
        for position, atom in enumerate(mono):
            rest = {mono[:position] + mono[position + 1 :]: c}
            inner = _slope(atom, state, states)
            if inner:
                out = add_to(out, product(rest, inner))
    return out


def _slope(atom: Atom, state: str, states: frozenset[str]) -> Poly:
    if isinstance(atom, str):
        return {(): ONE} if atom == state else {}
    inside = atom[2] if atom[0] == "call" else atom[1]
    if state not in names(inside):
        return {}
    below = derivative(expand(inside, states, "derivative"), state, states)
    if atom[0] == "inv":
        outer: Poly = {(atom, atom): ("num", -1.0)}
    elif atom[0] == "^":
        outer = {(("^", atom[1], plus(atom[2], ("num", -1.0))),): atom[2]}
    elif atom[1] == "exp":
        outer = {(atom,): ONE}
    elif atom[1] == "log":
        outer = {(("inv", inside),): ONE}
    else:
        outer = {(("inv", atom),): ("num", 0.5)}
    return product(outer, below)


def value_of(p: Poly, values: Mapping[str, npt.NDArray[np.float64] | float]) -> Any:
    """Value of a polynomial, states among the values."""
    total: Any = 0.0
    for mono, c in p.items():
        term = evaluate(c, values)
        for atom in mono:
            term = term * evaluate(("name", atom) if isinstance(atom, str) else atom, values)
        total = total + term
    return total
