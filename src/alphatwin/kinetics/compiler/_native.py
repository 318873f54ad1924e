"""A model's tables written out as straight machine code: one RODAS4 step of eight patients abreast.

The step of a model has no loop and no branch: which rate feeds which state, which slot of L and U is touched when, is known
before the first patient. It is written as LLVM's intermediate language, a vector of `LANES` patients for each number,
and compiled by the library that Numba itself stands on. The kernel in `_kernel` walks time; this is what a step costs.

Every vector operation is elementwise and none is fused or reordered: a patient's bits do not depend on its neighbours.

RODAS: Hairer and Wanner, Solving Ordinary Differential Equations II, 2nd ed. (1996), section IV.7: six stages, order
4(3), L-stable, stiffly accurate, with a third-order interpolant between steps.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._program import Program

ADD, MUL, INV, EXP, LOG, SQRT, POW = range(7)  # what a line of the tape does
LANES = 8  # one AVX-512 register, two of AVX2: the widest that no machine has to spill

_GAMMA = 0.25
_A = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
_C = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)
_D = (
    (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662),
    (-0.6762803392806898, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872),
)
_ENGINES: dict[str, Any] = {}  # compiled modules must outlive their addresses
_LOCK = threading.Lock()


def layout(program: Program) -> dict[str, int]:
    """First row of each block of the work array; a row holds one number of every lane."""
    n, rows, at = program.n, {}, 0
    blocks = {
        "base": n,
        "new": n,
        "bend2": n,
        "bend3": n,
        "speed": n,
        "inflow": n,
        "atol": n,
        "rtol": 1,
        "per_h": 1,
        "error": 1,
    }
    blocks |= {
        "linear": len(program.linear_keys),
        "coefs": len(program.coefs),
        "k": 5 * n,
        "lu": program.slots,
        "inv": n,
    }
    for name, size in blocks.items():
        rows[name] = at
        at += size
    return rows | {"rows": at}


class _Writer:
    """Vector instructions on the rows of the work array."""

    def __init__(self, program: Program, function: Any) -> None:
        from llvmlite import ir

        self.ir, self.program, self.rows = ir, program, layout(program)
        self.vector = ir.VectorType(ir.DoubleType(), LANES)
        self.function = function
        self.b = ir.IRBuilder(function.append_basic_block())
        self.work = self.b.bitcast(function.args[0], self.vector.as_pointer())

    def place(self, block: str, row: int) -> Any:
        index = self.ir.Constant(self.ir.IntType(64), self.rows[block] + int(row))
        return self.b.gep(self.work, [index])

    def load(self, block: str, row: int = 0) -> Any:
        return self.b.load(self.place(block, row), align=64)

    def store(self, value: Any, block: str, row: int = 0) -> None:
        self.b.store(value, self.place(block, row), align=64)

    def number(self, x: float) -> Any:
        return self.ir.Constant(self.vector, [float(x)] * LANES)

    def call(self, name: str, *values: Any) -> Any:
        kind = self.ir.FunctionType(self.vector, [self.vector] * len(values))
        full = f"llvm.{name}.v{LANES}f64"
        known = self.function.module.globals.get(full)
        return self.b.call(known or self.ir.Function(self.function.module, kind, full), list(values))

    def weighted(self, weights: tuple[float, ...], values: list[Any]) -> Any:
        """Sum of weight x value, in order."""
        total = None
        for weight, value in zip(weights, values, strict=True):
            part = value if weight == 1.0 else self.b.fmul(value, self.number(weight))
            total = part if total is None else self.b.fadd(total, part)
        return total

    def tape(self, ops: Any, states: list[Any]) -> dict[int, Any]:
        """Registers after these lines; states come first, coefficients after them."""
        n, coefs = self.program.n, len(self.program.coefs)
        done: dict[int, Any] = {}

        def register(r: int) -> Any:
            return states[r] if r < n else self.load("coefs", r - n) if r < n + coefs else done[r]

        for code, d, a, b in ops.tolist():
            x = register(a)
            if code in (ADD, MUL):
                done[d] = (self.b.fadd if code == ADD else self.b.fmul)(x, register(b))
            elif code == INV:
                done[d] = self.b.fdiv(self.number(1.0), x)
            elif code == POW:
                done[d] = self.call("pow", x, register(b))
            else:
                done[d] = self.call({EXP: "exp", LOG: "log", SQRT: "sqrt"}[code], x)
        self.register = register
        return done

    def rate(self, states: list[Any]) -> list[Any]:
        """Right-hand side at these states."""
        row, col, ops, out_at, out_reg, out_sign = self.program.model[:6]
        f = []
        for i in range(self.program.n):
            total = self.load("inflow", i)
            for q in range(int(row[i]), int(row[i + 1])):
                total = self.b.fadd(total, self.b.fmul(self.load("linear", q), states[int(col[q])]))
            f.append(total)
        self.tape(ops, states)
        for i, r, sign in zip(out_at.tolist(), out_reg.tolist(), out_sign.tolist(), strict=True):
            value = self.register(r)
            f[i] = self.b.fadd(f[i], value) if sign > 0 else self.b.fsub(f[i], value)
        return f

    def factor(self, states: list[Any], per_h: Any) -> None:
        """L and U of 1/(h gamma) - J at these states, without pivoting, and the inverses of the diagonal."""
        jac_ops, jac_at, jac_reg, jac_sign, lin_slot, diag, elim, elim_start, upd = self.program.model[6:15]
        lu: dict[int, Any] = {}
        zero = self.number(0.0)

        def less(s: int, value: Any) -> None:
            lu[s] = self.b.fsub(lu.get(s, zero), value)

        for q, s in enumerate(lin_slot.tolist()):
            less(s, self.load("linear", q))
        self.tape(jac_ops, states)
        for s, r, sign in zip(jac_at.tolist(), jac_reg.tolist(), jac_sign.tolist(), strict=True):
            value = self.register(r)
            less(s, value if sign > 0 else self.b.fsub(zero, value))
        shift = self.b.fmul(per_h, self.number(1.0 / _GAMMA))
        for s in diag.tolist():
            lu[s] = self.b.fadd(lu.get(s, zero), shift)
        inv: dict[int, Any] = {}

        def inverse(k: int) -> Any:
            if k not in inv:
                inv[k] = self.b.fdiv(self.number(1.0), lu[int(diag[k])])
            return inv[k]

        for e, (s, k) in enumerate(elim.tolist()):
            lu[s] = self.b.fmul(lu.get(s, zero), inverse(k))
            for d, u in upd[int(elim_start[e]) : int(elim_start[e + 1])].tolist():
                less(d, self.b.fmul(lu[s], lu.get(u, zero)))
        for s in range(self.program.slots):
            self.store(lu.get(s, zero), "lu", s)
        for k in range(self.program.n):
            self.store(inverse(k), "inv", k)

    def solve(self, x: list[Any]) -> list[Any]:
        """The linear system of this step for one right-hand side."""
        perm, low, low_start, up, up_start = self.program.model[15:20]
        x = list(x)
        for r, i in enumerate(perm.tolist()):
            for s, j in low[int(low_start[r]) : int(low_start[r + 1])].tolist():
                x[i] = self.b.fsub(x[i], self.b.fmul(self.load("lu", s), x[j]))
        for r in reversed(range(self.program.n)):
            i = int(perm[r])
            for s, j in up[int(up_start[r]) : int(up_start[r + 1])].tolist():
                x[i] = self.b.fsub(x[i], self.b.fmul(self.load("lu", s), x[j]))
            x[i] = self.b.fmul(x[i], self.load("inv", r))
        return x

    def step(self) -> None:
        """One step from "base": new states, error over tolerance, and the two bends of the interpolant."""
        n, b = self.program.n, self.b
        states = [self.load("base", i) for i in range(n)]
        per_h = self.load("per_h")
        self.factor(states, per_h)
        found = self.solve(self.rate(states))
        for stage in range(1, 6):
            for i in range(n):
                self.store(found[i], "k", (stage - 1) * n + i)
            at, sums = [], []
            for i in range(n):
                ks = [self.load("k", m * n + i) for m in range(stage)]
                at.append(b.fadd(self.load("base", i), self.weighted(_A[stage], ks)))
                sums.append(b.fmul(per_h, self.weighted(_C[stage], ks)))
            found = self.solve([b.fadd(f, s) for f, s in zip(self.rate(at), sums, strict=True)])
        total, rtol = None, self.load("rtol")
        for i in range(n):
            old, new = self.load("base", i), b.fadd(at[i], found[i])
            self.store(new, "new", i)
            size, other = self.call("fabs", old), self.call("fabs", new)
            larger = b.select(b.fcmp_ordered(">", size, other), size, other)
            part = b.fdiv(found[i], b.fadd(self.load("atol", i), b.fmul(rtol, larger)))
            square = b.fmul(part, part)
            total = square if total is None else b.fadd(total, square)
            ks = [self.load("k", m * n + i) for m in range(5)]
            self.store(self.weighted(_D[0], ks), "bend2", i)
            self.store(self.weighted(_D[1], ks), "bend3", i)
        self.store(self.call("sqrt", b.fmul(total, self.number(1.0 / n))), "error")
        b.ret_void()

    def slope(self) -> None:
        """Right-hand side at "base" into "speed"."""
        for i, f in enumerate(self.rate([self.load("base", i) for i in range(self.program.n)])):
            self.store(f, "speed", i)
        self.b.ret_void()


def written(program: Program) -> str:
    """The two functions of a model, ``step`` and ``slope``, as LLVM's text."""
    from llvmlite import ir

    module = ir.Module(name="alphatwin")
    for name in ("step", "slope"):
        kind = ir.FunctionType(ir.VoidType(), [ir.DoubleType().as_pointer()])
        getattr(_Writer(program, ir.Function(module, kind, name)), name)()
    return str(module)


@functools.cache
def _machine() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    features = binding.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features, opt=2, jit=True)


def addresses(text: str) -> tuple[int, int]:
    """Where ``step`` and ``slope`` of this text lie, compiled once and kept on disk beside Numba's own cache."""
    from llvmlite import binding

    from ..._jit import keep_code, kept_code  # Numba comes first: it starts LLVM

    with _LOCK:
        if text not in _ENGINES:
            machine = _machine()
            host = f"{binding.llvm_version_info} {machine.triple} {binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
            key = hashlib.sha256(f"{host}\n{text}".encode()).hexdigest()
            engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
            engine.set_object_cache(lambda _, code: keep_code(key, code), lambda _: kept_code(key))
            engine.finalize_object()
            _ENGINES[text] = engine
        engine = _ENGINES[text]
        return int(engine.get_function_address("step")), int(engine.get_function_address("slope"))
