"""From a checked model to the tables that the kernel walks: sparse linear part, tape, Jacobian, elimination."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _expressions as ex
from . import _native
from ._native import ADD, EXP, INV, LOG, MUL, POW, SQRT
from .model import Model

_CODES = {"exp": EXP, "log": LOG, "sqrt": SQRT}


class Tape:
    """Lines (code, result, a, b) on registers: states, then coefficients, then results; equal parts are shared."""

    def __init__(self, states: tuple[str, ...]) -> None:
        self.states = frozenset(states)
        self._state = {name: i for i, name in enumerate(states)}
        self.coefs: list[ex.Expr] = []
        self._coef: dict[ex.Expr, int] = {}
        self._found: dict[tuple[Any, ...], tuple[str, int]] = {}
        self.lines: list[tuple[int, tuple[str, int], tuple[str, int], tuple[str, int]]] = []

    def coef(self, e: ex.Expr) -> tuple[str, int]:
        """Register of an expression of parameters, worked out once per patient before the run."""
        if e not in self._coef:
            self._coef[e] = len(self.coefs)
            self.coefs.append(e)
        return ("c", self._coef[e])

    def _line(self, code: int, a: tuple[str, int], b: tuple[str, int]) -> tuple[str, int]:
        key = (code, *(sorted((a, b)) if code in (ADD, MUL) else (a, b)))
        if key not in self._found:
            self._found[key] = ("r", len(self.lines))
            self.lines.append((code, self._found[key], a, b))
        return self._found[key]

    def atom(self, atom: Any) -> tuple[str, int]:
        """Register of a state or of a function of states."""
        if isinstance(atom, str):
            return ("s", self._state[atom])
        if atom[0] == "inv":
            inner = (
                self.poly(ex.expand(atom[1], self.states, "")) if atom[1][0] not in ("call",) else self.atom(atom[1])
            )
            return self._line(INV, inner, inner)
        if atom[0] == "^":
            return self._line(POW, self.poly(ex.expand(atom[1], self.states, "")), self.coef(atom[2]))
        inner = self.poly(ex.expand(atom[2], self.states, ""))
        return self._line(_CODES[atom[1]], inner, inner)

    def poly(self, p: ex.Poly) -> tuple[str, int]:
        """Register of a polynomial."""
        total = None
        for mono, c in p.items():
            factors = [self.atom(a) for a in mono]
            if c != ex.ONE or not factors:
                factors.append(self.coef(c))
            term = factors[0]
            for other in factors[1:]:
                term = self._line(MUL, term, other)
            total = term if total is None else self._line(ADD, total, term)
        return self.coef(ex.ZERO) if total is None else total


def _split(p: ex.Poly) -> tuple[ex.Expr, dict[str, ex.Expr], ex.Poly]:
    """Constant, linear coefficients by state, and the rest."""
    constant, linear, rest = ex.ZERO, {}, {}
    for mono, c in p.items():
        if mono == ():
            constant = c
        elif len(mono) == 1 and isinstance(mono[0], str):
            linear[mono[0]] = c
        else:
            rest[mono] = c
    return constant, linear, rest


class Program:
    """The tables of a model; made once, used for any number of patients."""

    def __init__(self, model: Model) -> None:
        names = model.state_names
        n = len(names)
        index = {name: i for i, name in enumerate(names)}
        self.n = n
        linear: dict[tuple[int, int], list[tuple[float, ex.Expr]]] = {}
        self.constant: list[list[tuple[float, ex.Expr]]] = [[] for _ in range(n)]
        tape, jac = Tape(names), Tape(names)
        out: list[tuple[int, tuple[str, int], float]] = []
        bend: dict[tuple[int, int], list[tuple[tuple[str, int], float]]] = {}
        for poly, ends in _moves(model, index):
            constant, lines, rest = _split(poly)
            for i, sign in ends:
                if constant != ex.ZERO:
                    self.constant[i].append((sign, constant))
                for state, c in lines.items():
                    linear.setdefault((i, index[state]), []).append((sign, c))
            if not rest:
                continue
            register = tape.poly(rest)
            out += [(i, register, sign) for i, sign in ends]
            for state in names:
                slope = ex.derivative(rest, state, tape.states)
                if slope:
                    r = jac.poly(slope)
                    for i, sign in ends:
                        bend.setdefault((i, index[state]), []).append((r, sign))
        jac_used = jac
        self.linear = linear
        self.linear_keys = sorted(linear)
        self._pattern(bend)
        self._tables(tape, jac_used, out, bend)

    def _pattern(self, bend: Mapping[tuple[int, int], Any]) -> None:
        """Elimination order by the fewest possible fill-ins (Markowitz), the slots of L and U, and the triples."""
        n = self.n
        rows = [{i} for i in range(n)]
        for i, j in (*self.linear_keys, *bend):
            rows[i].add(j)
        left, order = set(range(n)), []
        work = [set(r) for r in rows]
        while left:
            cost = {k: (len(work[k] & left) - 1) * (sum(k in work[i] for i in left) - 1) for k in left}
            k = min(sorted(left), key=cost.__getitem__)
            order.append(k)
            left.discard(k)
            for i in left:
                if k in work[i]:
                    work[i] |= work[k] & left
        rank = {k: r for r, k in enumerate(order)}
        slot: dict[tuple[int, int], int] = {}
        for r in order:
            for j in sorted(work[r], key=rank.__getitem__):
                slot[r, j] = len(slot)
        self.slot, self.slots = slot, len(slot)
        elim, start, upd = [], [0], []
        for k in order:
            for i in order[rank[k] + 1 :]:
                if k in work[i]:
                    elim.append((slot[i, k], rank[k]))
                    upd += [(slot[i, j], slot[k, j]) for j in sorted(work[k]) if rank[j] > rank[k]]
                    start.append(len(upd))
        low, up, low_start, up_start = [], [], [0], [0]
        for i in order:
            for j in sorted(work[i], key=rank.__getitem__):
                if rank[j] < rank[i]:
                    low.append((slot[i, j], j))
                elif rank[j] > rank[i]:
                    up.append((slot[i, j], j))
            low_start.append(len(low))
            up_start.append(len(up))
        diag = [slot[k, k] for k in order]
        self.elimination = (
            _ints(diag),
            _pairs(elim),
            _ints(start),
            _pairs(upd),
            _ints(order),
            _pairs(low),
            _ints(low_start),
            _pairs(up),
            _ints(up_start),
        )

    def _tables(self, tape: Tape, jac: Tape, out: list[Any], bend: Mapping[tuple[int, int], list[Any]]) -> None:
        n = self.n
        self.coefs = [*tape.coefs, *jac.coefs]
        first = n + len(self.coefs)
        self.registers = first + max(len(tape.lines), len(jac.lines))

        def place(ref: tuple[str, int], shift: int) -> int:
            return ref[1] + {"s": 0, "c": n + shift, "r": first}[ref[0]]

        def ops(t: Tape, shift: int) -> npt.NDArray[np.uint32]:
            lines = [(code, place(d, shift), place(a, shift), place(b, shift)) for code, d, a, b in t.lines]
            return np.array(lines, np.uint32).reshape(-1, 4)

        row = [0]
        for i in range(n):
            row.append(row[-1] + sum(key[0] == i for key in self.linear_keys))
        bends = [
            (self.slot[key], place(r, len(tape.coefs)), sign)
            for key, terms in sorted(bend.items())
            for r, sign in terms
        ]
        self.model = (
            np.array(row, np.int64),
            _ints([j for _, j in self.linear_keys]),
            ops(tape, 0),
            _ints([i for i, _, _ in out]),
            _ints([place(r, 0) for _, r, _ in out]),
            np.array([s for _, _, s in out], float),
            ops(jac, len(tape.coefs)),
            _ints([s for s, _, _ in bends]),
            _ints([r for _, r, _ in bends]),
            np.array([s for _, _, s in bends], float),
            _ints([self.slot[key] for key in self.linear_keys]),
            *self._as_loops(),
        )

    def _as_loops(self) -> tuple[Any, ...]:
        diag, elim, start, upd, order, low, low_start, up, up_start = self.elimination
        ranges = [a.astype(np.int64) for a in (start, low_start, up_start)]
        return diag, elim, ranges[0], upd, order, low, ranges[1], up, ranges[2]

    @functools.cached_property
    def text(self) -> str:
        """The model's step as LLVM's text."""
        return _native.written(self)

    def fill(self, values: Mapping[str, Any], samples: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Linear part [sample, entry] and coefficients [sample, k] for these parameter values."""
        lin = np.zeros((samples, len(self.linear_keys)))
        for q, key in enumerate(self.linear_keys):
            for sign, e in self.linear[key]:
                lin[:, q] += sign * ex.evaluate(e, values)
        coefs = np.zeros((samples, len(self.coefs)))
        for q, e in enumerate(self.coefs):
            coefs[:, q] = ex.evaluate(e, values)
        return lin, coefs


def _moves(model: Model, index: Mapping[str, int]) -> list[tuple[ex.Poly, list[tuple[int, float]]]]:
    """Each expression with the states it changes and the sign."""
    moves: list[tuple[ex.Poly, list[tuple[int, float]]]] = []
    for f in model.fluxes:
        ends = [(index[end], sign) for end, sign in ((f.source, -1.0), (f.target, 1.0)) if end]
        moves.append((model.parts.fluxes[f.name], ends))
    moves += [(poly, [(index[state], 1.0)]) for state, poly in model.parts.rates]
    return moves


def _ints(values: list[int]) -> npt.NDArray[np.uint32]:
    return np.array(values, np.uint32)


def _pairs(values: list[tuple[int, int]]) -> npt.NDArray[np.uint32]:
    return np.array(values, np.uint32).reshape(-1, 2)
