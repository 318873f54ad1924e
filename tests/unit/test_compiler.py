"""The model compiler: what it refuses and where, and that it solves what it accepts."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from alphatwin.errors import CaseError, DomainError
from alphatwin.kinetics.compiler import Compartment, Event, Flux, Model, Rate, State, Whole, compiled
from alphatwin.kinetics.compiler import _expressions as ex

ROOMS = (Compartment("a", "V_a"), Compartment("b", "V_b"))
NUMBERS = {"Q": 0.1, "V_a": 3.0, "V_b": 7.0, "dose": 10.0, "k": 0.02}


def two_rooms(**changes):
    given_ = {
        "parameters": NUMBERS,
        "compartments": ROOMS,
        "states": (State("A", "a"), State("B", "b")),
        "fluxes": (Flux("out", "A", "B", flow="Q"), Flux("back", "B", "A", flow="Q")),
        "events": (Event("bolus", "A", "dose"),),
    }
    return Model("two rooms", **{**given_, **changes})


def chain(**changes):
    given_ = {
        "parameters": {"k1": 0.1, "k2": 0.03},
        "compartments": (),
        "states": (State("A", initial="1"), State("B"), State("C")),
        "fluxes": (Flux("one", "A", "B", "k1 * A"), Flux("two", "B", "C", "k2 * B")),
    }
    return Model("chain", **{**given_, **changes})


# --- closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-8])
def test_a_chain_of_two_decays_follows_bateman(rtol):
    t = np.linspace(0, 200, 41)
    found = compiled(chain()).solve(t, rtol=rtol)
    b = 0.1 / (0.03 - 0.1) * (np.exp(-0.1 * t) - np.exp(-0.03 * t))
    assert np.abs(found["A"][0] - np.exp(-0.1 * t)).max() < 3 * rtol + 1e-8
    assert np.abs(found["B"][0] - b).max() < 3 * rtol + 1e-8


def test_two_rooms_come_to_one_concentration():
    t = np.array([0.0, 5.0, 20.0, 5000.0])
    found = compiled(two_rooms()).solve(t, rtol=1e-9)
    rate = 0.1 / 3 + 0.1 / 7
    a = 10 * (0.3 + 0.7 * np.exp(-rate * t))
    np.testing.assert_allclose(found["A"][0], a, rtol=1e-7)
    np.testing.assert_allclose(found["A"][0] + found["B"][0], 10, rtol=1e-12)


def test_the_method_is_of_fourth_order_and_its_interpolant_of_third():
    """Global error against rtol: the mean step grows as rtol^(1/4), so the error falls about as rtol."""
    model = Model(
        "logistic-like",
        parameters={"r": 1.3},
        compartments=(),
        states=(State("x", initial="0.05", kind="signal", atol=1e-14),),
        rates=(Rate("x", "r * x * (1 - x)"),),
    )
    t = np.linspace(0, 8, 57)
    exact = 1 / (1 + 19 * np.exp(-1.3 * t))
    steps, errors = [], []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        found = compiled(model).solve(t, rtol=rtol)
        steps.append(int(found.steps[0]))
        errors.append(np.abs(found["x"][0, [-1]] - exact[-1]).max() + 1e-16)
        assert np.abs(found["x"][0] - exact).max() < 30 * rtol
    order = np.log(steps[-1] / steps[0]) / np.log(1e6)
    assert 0.18 < order < 0.30  # a quarter: steps grow as rtol^(-1/4)


def test_functions_powers_and_quotients_agree_with_lsoda():
    model = Model(
        "all functions",
        parameters={"vm": 1.0, "km": 0.5, "p": 1.5},
        compartments=(),
        states=(State("A", initial="1"), State("B")),
        definitions={"shown": "A / (km + A)"},
        fluxes=(Flux("loss", "A", "B", "vm * shown + 0.1 * A**p * exp(-A) * sqrt(1 + A) * log(2 + A * B)"),),
    )

    def slope(_, y):
        a, b = y
        r = a / (0.5 + a) + 0.1 * a**1.5 * math.exp(-a) * math.sqrt(1 + a) * math.log(2 + a * b)
        return [-r, r]

    t = np.linspace(0, 3, 20)
    exact = solve_ivp(slope, (0, 3), [1, 0], "LSODA", t, rtol=1e-12, atol=1e-14).y
    found = compiled(model).solve(t, rtol=1e-8).values[0].T
    assert np.abs(found - exact).max() < 1e-7


def test_a_stiff_model_takes_few_steps():
    """Robertson's reactions, stiffness 1e9 and more."""
    model = Model(
        "Robertson",
        parameters={},
        compartments=(),
        states=(State("A", initial="1", atol=1e-10), State("B", atol=1e-14), State("C", atol=1e-10)),
        fluxes=(
            Flux("one", "A", "B", "0.04 * A"),
            Flux("two", "B", "C", "3e7 * B**2"),
            Flux("three", "B", "A", "1e4 * B * C"),
        ),
    )
    found = compiled(model).solve([0.4, 40.0, 4e4], rtol=1e-6)
    # Hairer and Wanner's problem; values from LSODA at 1e-12
    exact = solve_ivp(
        lambda t, y: [
            -0.04 * y[0] + 1e4 * y[1] * y[2],
            0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2,
            3e7 * y[1] ** 2,
        ],
        (0, 4e4),
        [1, 0, 0],
        "Radau",
        [0.4, 40.0, 4e4],
        rtol=1e-11,
        atol=1e-15,
    ).y
    np.testing.assert_allclose(found.values[0].T, exact, rtol=2e-5)
    assert found.steps[0] < 250


def test_infusions_start_and_stop_where_they_say():
    model = Model(
        "one pool",
        parameters={"k": 0.05, "given": 12.0, "from_": 10.0, "for_": 30.0},
        compartments=(),
        states=(State("A"), State("gone")),
        fluxes=(Flux("loss", "A", "gone", "k * A"),),
        events=(Event("infusion", "A", "given", "from_", "for_"), Event("bolus", "A", "2", "60")),
    )
    t = np.array([0.0, 5, 10, 25, 40, 55, 60, 60.5, 100])
    found = compiled(model).solve(t, rtol=1e-9)["A"][0]

    def pool(x):
        since = min(max(x - 10, 0), 30)
        a = 12 / 30 / 0.05 * (1 - math.exp(-0.05 * since)) * math.exp(-0.05 * max(x - 40, 0))
        return a + (2 * math.exp(-0.05 * (x - 60)) if x >= 60 else 0)

    np.testing.assert_allclose(found, [pool(x) for x in t], atol=2e-8)


@pytest.mark.parametrize("first", [0.3, 1000.0, 10_000.0])
def test_events_that_rounding_alone_keeps_apart_both_happen(first):
    second = float(np.nextafter(first, np.inf))
    model = Model(
        "two boluses",
        {"k": 0.3, "t1": first, "t2": second},
        (),
        (State("A"), State("gone")),
        (Flux("loss", "A", "gone", "k * A"),),
        events=(Event("one", "A", "1", "t1"), Event("two", "A", "1", "t2")),
    )
    found = compiled(model).solve([first, first + 1.0], {"t2": [second, first]}, rtol=1e-9)["A"]
    np.testing.assert_allclose(found[:, 1], 2.0 * math.exp(-0.3), rtol=1e-8)
    np.testing.assert_allclose(found[:, 0], [1.0, 2.0], rtol=1e-12)


def test_a_constant_rate_is_an_endless_infusion():
    model = Model(
        "turnover",
        parameters={"made": 3.0, "k": 0.1},
        compartments=(),
        states=(State("x", kind="signal", initial="1"),),
        rates=(Rate("x", "made - k * x"),),
    )
    t = np.linspace(0, 100, 11)
    np.testing.assert_allclose(compiled(model).solve(t, rtol=1e-9)["x"][0], 30 - 29 * np.exp(-0.1 * t), rtol=1e-6)


def test_integrals_and_a_bed_as_states():
    """BED-like double integral of a decaying dose rate: G' = D' - mu G, I' = D' G; Lea and Catcheside's closed form."""
    model = Model(
        "protraction",
        parameters={"d": 2.0, "lam": 0.01, "mu": 0.25},
        compartments=(),
        states=(
            State("rate", kind="signal", initial="d"),
            State("dose", kind="integral"),
            State("unrepaired", kind="integral"),
            State("pairs", kind="integral"),
        ),
        rates=(
            Rate("rate", "-lam * rate"),
            Rate("dose", "rate"),
            Rate("unrepaired", "rate - mu * unrepaired"),
            Rate("pairs", "rate * unrepaired"),
        ),
    )
    found = compiled(model).solve([4000.0], rtol=1e-9)
    total = 2.0 / 0.01
    assert found["dose"][0, 0] == pytest.approx(total, rel=1e-7)
    assert found["pairs"][0, 0] == pytest.approx(total**2 * 0.01 / (2 * (0.25 + 0.01)), rel=1e-7)


# --- batches -------------------------------------------------------------------------------------------------------------


def test_a_sample_has_the_same_bits_alone_in_any_batch_and_order():
    model = compiled(
        chain(rates=(), fluxes=(Flux("one", "A", "B", "k1 * A / (1 + A) * exp(-A)"), Flux("two", "B", "C", "k2 * B")))
    )
    k1 = np.geomspace(0.001, 10, 601)
    t = [1.0, 30.0, 300.0]
    whole = model.solve(t, {"k1": k1}).values
    back = model.solve(t, {"k1": k1[::-1]}).values[::-1]
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        single = model.solve(t, {"k1": k1}).values
    finally:
        numba.set_num_threads(threads)
    assert whole.tobytes() == single.tobytes()
    alone = np.stack([model.solve(t, {"k1": k1[i]}).values[0] for i in (0, 7, 150, 600)])
    assert whole.tobytes() == np.ascontiguousarray(back).tobytes()
    assert np.ascontiguousarray(whole[[0, 7, 150, 600]]).tobytes() == alone.tobytes()


@settings(max_examples=25, deadline=None)
@given(
    k=st.lists(st.floats(1e-4, 10), min_size=6, max_size=6),
    start=st.lists(st.floats(0, 100), min_size=4, max_size=4),
)
def test_mass_is_kept_whatever_the_rates(k, start):
    names = "ABCD"
    pairs = [("A", "B"), ("B", "C"), ("C", "D"), ("D", "A"), ("A", "C"), ("B", "D")]
    model = Model(
        "ring",
        parameters={f"k{i}": v for i, v in enumerate(k)},
        compartments=(),
        states=tuple(State(n, initial=repr(v)) for n, v in zip(names, start, strict=True)),
        fluxes=tuple(Flux(f"f{i}", a, b, f"k{i} * {a} / (1 + {a})") for i, (a, b) in enumerate(pairs)),
    )
    found = compiled(model).solve([0.1, 10.0, 1000.0]).values[0]
    np.testing.assert_allclose(found.sum(axis=1), sum(start), rtol=1e-11, atol=1e-11)


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "().__class__",
        "k.real",
        "k[0]",
        "lambda: k",
        "[k for k in (1,)]",
        "k if k else 1",
        "k == 1",
        "k and k",
        "'text'",
        "True",
        "1e999",
        "open('x')",
        "exp(k, k)",
        "exp(x=k)",
        "f(k)",
        "k // 2",
        "k := 2",
        "k +",
        "",
        "1j",
        "conc(k + k)",
        "(" * 200 + "k" + ")" * 200,
        "k + " * 600 + "k",
        "k+" * 900 + "k",
        "-" * 300 + "k",
    ],
)
def test_only_arithmetic_is_read(text):
    with pytest.raises(CaseError, match="flux one"):
        chain(
            parameters={"k": 1.0, "k1": 1.0, "k2": 1.0},
            fluxes=(Flux("one", "A", "B", text or " "), Flux("two", "B", "C", "k2 * B")),
        )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"fluxes": (Flux("one", "A", "B", "k1 * A"), Flux("two", "B", "", "k2 * B"))},
            "flux two has no target, so mass is not kept",
        ),
        ({"fluxes": (Flux("one", "A", "B", "k1 * A"), Flux("two", "B", "D", "k2 * B"))}, "flux two: no state 'D'"),
        (
            {"fluxes": (Flux("one", "A", "B", "k3 * A"), Flux("two", "B", "C", "k2 * B"))},
            r"'k3' in 'k3 \* A' is unknown. Did you mean",
        ),
        (
            {"fluxes": (Flux("one", "A", "B", "k1 * B"), Flux("two", "B", "C", "k2 * B"))},
            "flux one still takes from A when it is empty",
        ),
        ({"fluxes": (Flux("one", "A", "B", "k1 * A"),)}, "nothing moves the amount C"),
        ({"fluxes": (Flux("one", "A", "B"), Flux("two", "B", "C", "k2 * B"))}, "neither a rate nor a flow"),
        ({"fluxes": (Flux("one", "A", "B", "k1 * A"),) * 2}, "two flux entries are called 'one'"),
        ({"parameters": {"k1": 1.0, "k2": 1.0, "A": 2.0}}, "'A' stands for a parameter and a state"),
        ({"parameters": {"k1": 1.0, "k2": 1.0, "time": 2.0}}, "'time' cannot be the name of a parameter"),
        ({"parameters": {"k1": 1.0, "k2": 1.0, "for": 2.0}}, "'for' cannot be the name"),
        ({"events": (Event("e", "Z", "1"),)}, "event e: no state 'Z'"),
        ({"events": (Event("e", "A", "B"),)}, "depends on the state 'B'"),
        ({"definitions": {"x": "conc(A)"}}, "needs a state that lives in a compartment"),
        ({"states": (State("A", "nowhere"), State("B"), State("C"))}, "no compartment 'nowhere'"),
        ({"states": (State("A", atol=0), State("B"), State("C"))}, "atol 0"),
        (
            {"fluxes": (), "rates": (Rate("A", "-k1 * A"), Rate("B", "0.9 * k1 * A"), Rate("C", "0"))},
            "mass is not kept: the terms with A",
        ),
        ({"states": (State("A"), State("B"), State("C", kind="signal"))}, "moves mass to or from C"),
        (
            {"definitions": {"x": "A ** B"}, "fluxes": (Flux("one", "A", "B", "A * x"), Flux("two", "B", "C", "B"))},
            "exponent",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_the_place_named(changes, told):
    with pytest.raises(CaseError, match=told):
        chain(**changes)


def test_first_defect_a_portal_outflow_that_is_missing():
    """Spleen and gut drain into the liver, and the liver lets out the artery's flow alone."""
    rooms = ("plasma", "spleen", "liver")
    given_ = {
        "parameters": {"F_sp": 0.12, "F_ha": 0.25, "V": 0.5},
        "compartments": tuple(Compartment(r, "V") for r in rooms),
        "states": tuple(State(r, r) for r in rooms),
    }

    def fluxes(out):
        return (
            Flux("to_spleen", "plasma", "spleen", flow="F_sp"),
            Flux("portal", "spleen", "liver", flow="F_sp"),
            Flux("artery", "plasma", "liver", flow="F_ha"),
            Flux("hepatic_vein", "liver", "plasma", flow=out),
        )

    assert Model("sound", fluxes=fluxes("F_ha + F_sp"), **given_).fluxes
    with pytest.raises(
        DomainError, match=r"plasma flows of liver do not balance: in minus out is 0\.12 L/min .*hepatic_vein"
    ):
        Model("defect", fluxes=fluxes("F_ha"), **given_)


def test_second_defect_a_flux_divided_by_the_volume_of_another_compartment():
    """What is reabsorbed by the kidney leaves its interstitium by the tubule's volume: 1.45 times too much."""
    changes = {
        "parameters": NUMBERS,
        "fluxes": (Flux("out", "A", "B", "Q * A / V_a"), Flux("back", "B", "A", "Q * B / V_a")),
    }
    with pytest.raises(
        CaseError, match=r"flux back: the amount B is divided by the volume of a; it lives in b.*conc\(B\)"
    ):
        two_rooms(**changes)
    changes["fluxes"] = (Flux("out", "A", "B", "Q * A / V_a"), Flux("back", "B", "A", "Q * B / V_b"))
    assert two_rooms(**changes).name
    as_rates = (Rate("A", "-Q * A / V_b + Q * B / V_b"), Rate("B", "Q * A / V_b - Q * B / V_b"))
    with pytest.raises(CaseError, match="rate of A: the amount A is divided by the volume of b"):
        two_rooms(fluxes=(), rates=as_rates)


def test_second_defect_where_the_flow_is_declared_is_told_with_its_factor():
    """Volumes that differ 1.45 times, hidden behind a parameter of another name: the declared flow gives it away."""
    numbers = {**NUMBERS, "V_a": 1.45, "V_b": 1.0, "V_wrong": 1.45}
    fluxes = (Flux("out", "A", "B", flow="Q"), Flux("back", "B", "A", "Q * B / V_wrong", flow="Q"))
    with pytest.raises(CaseError, match=r"flux back: its rate is 0\.69 times flow x amount / own volume"):
        two_rooms(parameters=numbers, fluxes=fluxes)
    sound = (Flux("out", "A", "B", flow="Q"), Flux("back", "B", "A", "Q * conc(B)", flow="Q"))
    assert two_rooms(parameters=numbers, fluxes=sound).fluxes


@pytest.mark.parametrize(
    ("overrides", "error", "told"),
    [
        ({"V_a": -1.0}, DomainError, "volume of a is -1 L; it must be above zero"),
        ({"V_b": [1.0, 0.0]}, DomainError, "volume of b is 0 L in sample 1"),
        ({"V_q": 1.0}, CaseError, "no parameter 'V_q'. Did you mean V_"),
        ({"V_a": "3 L"}, DomainError, "V_a given as '3 L'"),
        ({"V_a": float("nan")}, DomainError, "finite numbers"),
        ({"V_a": [[1.0]]}, DomainError, "finite numbers"),
        ({"V_a": [1.0, 2.0], "V_b": [1.0, 2.0, 3.0]}, DomainError, "different numbers of samples"),
        ({"Q": -0.1}, DomainError, "flow of out is -0.1 L/min"),
        ({"dose": -1.0}, DomainError, "event bolus has a negative"),
    ],
)
def test_values_that_cannot_be_are_refused(overrides, error, told):
    with pytest.raises(error, match=told):
        compiled(two_rooms()).solve([1.0], overrides)


def test_parts_must_fit_into_their_organ():
    made = two_rooms(wholes=(Whole("organ", "12", ("a", "b")),))
    assert compiled(made).solve([1.0], {"V_a": [4.0, 5.0]}).values.shape == (2, 1, 2)
    with pytest.raises(DomainError, match=r"a, b fill 13 L in sample 1, more than organ has"):
        compiled(made).solve([1.0], {"V_a": [4.0, 6.0]})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (([],), "ascending"),
        (([2.0, 1.0],), "ascending"),
        (([-1.0],), "from 0 on"),
        (([float("inf")],), "finite"),
    ],
)
def test_times_that_cannot_be_are_refused(arguments, told):
    with pytest.raises(DomainError, match=told):
        compiled(two_rooms()).solve(*arguments)


@pytest.mark.parametrize("start", [float("nan"), float("-inf")])
def test_a_start_that_is_no_time_is_refused(start):
    with pytest.raises(DomainError, match="finite"):
        compiled(two_rooms()).solve([1.0], start_min=start)


@pytest.mark.parametrize(("samples", "parameters"), [(0, {}), (-1, {}), (3, {"Q": [0.1, 0.2]}), (1, {"Q": [0.1, 0.2]})])
def test_a_number_of_samples_that_cannot_be_is_refused(samples, parameters):
    with pytest.raises(DomainError, match=f"samples is {samples}"):
        compiled(two_rooms()).solve([1.0], parameters, samples=samples)


def test_a_tolerance_or_a_state_out_of_range_is_refused():
    with pytest.raises(DomainError, match="rtol is 1"):
        compiled(two_rooms()).solve([1.0], rtol=1.0)
    with pytest.raises(DomainError, match="No state 'Z'; there is A, B"):
        compiled(two_rooms()).solve([1.0])["Z"]
    with pytest.raises(DomainError, match="could not be solved in 3 steps"):
        compiled(two_rooms()).solve([1000.0], max_steps=3)


def test_a_model_that_explodes_is_refused_with_its_sample():
    model = Model(
        "explosion", {"k": 1.0}, (), (State("x", kind="signal", initial="1"),), rates=(Rate("x", "k * x**2"),)
    )
    with pytest.raises(DomainError, match="sample 1 could not be solved"):
        compiled(model).solve([0.5, 2.0], {"k": [0.1, 1.0]})


# --- expressions ---------------------------------------------------------------------------------------------------------

STATES = frozenset("xyz")


@pytest.mark.parametrize(
    "text",
    [
        "a*x*y",
        "x/(a+y)",
        "exp(-a*x)*y",
        "sqrt(1+x*y)",
        "log(2+x)/y",
        "(x-y)**2*(x+z)",
        "(1+x)**a",
        "x**-1.5",
        "a/(1+y/(1+x))",
        "exp(x)/exp(x)",
        "1/(x*y)",
    ],
)
def test_derivatives_agree_with_differences(text):
    p = ex.expand(ex.parse(text, "here"), STATES, "here")
    at = {"x": 0.7, "y": 1.3, "z": 0.4, "a": 0.6}
    for state in "xyz":
        found = float(ex.value_of(ex.derivative(p, state, STATES), at)) if ex.derivative(p, state, STATES) else 0.0
        h = 1e-6
        up, down = (float(ex.value_of(p, {**at, state: at[state] + s * h})) for s in (1, -1))
        assert found == pytest.approx((up - down) / (2 * h), rel=1e-7, abs=1e-8)


@given(
    st.recursive(
        st.sampled_from(["x", "y", "a", "2.5"]),
        lambda e: st.tuples(e, st.sampled_from("+-*/"), e).map(lambda t: f"({''.join(t)})"),
        max_leaves=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_expansion_keeps_the_value_and_text_reads_back(text):
    at = {"x": 0.71, "y": 1.37, "a": 0.63}
    e = ex.parse(text, "here")
    try:
        exact = float(ex.evaluate(e, at))
    except ZeroDivisionError:
        return
    if not 1e-6 < abs(exact) < 1e6:
        return
    try:
        found = float(ex.value_of(ex.expand(e, STATES, "here"), at))
    except ZeroDivisionError:
        return  # a denominator that is zero only after expansion of a difference
    assert found == pytest.approx(exact, rel=1e-6)
    assert float(ex.evaluate(ex.parse(ex.text_of(e), "again"), at)) == exact
