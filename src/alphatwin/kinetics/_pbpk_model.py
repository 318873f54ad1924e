"""The whole-body model as a declaration: organs, flows, fluxes, and the decays of each region as integrals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..catalog._pbpk import ModelParameter, Transfer
from .compiler import Compartment, Event, Flux, Model, Rate, State, Whole

__all__ = ["ORGANS", "declare", "declare_linear", "regions_of"]

ORGANS = ("spleen", "liver")  # with the target, where an agent's entry says no other

_ATOL_NMOL = 1e-7  # below 1e-9 of what is given


def _organ(
    name: str, flow_in: Sequence[tuple[str, str]], drain: tuple[str, str], kind: str
) -> tuple[list[State], list[Flux]]:
    """An organ with receptors: plasma, interstitium, bound, inside cells; `kind` names its parameters."""
    v, i, b, n = (f"{name}_{part}" for part in ("v", "i", "b", "n"))
    states = [State(v, v), State(i, i), State(b), State(n)]
    fluxes = [Flux(f"{source}_to_{name}_{k}", source, v, flow=flow) for k, (source, flow) in enumerate(flow_in)]
    fluxes += [
        Flux(f"{name}_drain", v, drain[0], flow=drain[1]),
        Flux(f"{name}_out_of_vessels", v, i, f"PS_{name} * conc({v})"),
        Flux(f"{name}_back_to_vessels", i, v, f"PS_{name} * conc({i})"),
        *_receptor(name, i, b, n, kind),
    ]
    return states, fluxes


def _receptor(name: str, free: str, b: str, n: str, kind: str) -> list[Flux]:
    return [
        Flux(f"{name}_binding", free, b, f"kon_L_per_nmol_min * conc({free}) * (R_{name} - {b})"),
        Flux(f"{name}_unbinding", b, free, f"koff * {b}"),
        Flux(f"{name}_internalisation", b, n, f"k_int_per_min * {b}"),
        *_release(name, n, kind),
    ]


def _release(name: str, n: str, kind: str) -> list[Flux]:
    return [
        Flux(f"{n}_release", n, "excreted", f"k_rel_{kind}_per_min * (1 - f_return) * {n}"),
        Flux(f"{n}_return", n, "plasma", f"k_rel_{kind}_per_min * f_return * {n}"),
    ]


def _kidneys(megalin: bool) -> tuple[list[State], list[Flux]]:
    states = [
        State("kidneys_v", "kidneys_v"),
        State("kidneys_t", "kidneys_t"),
        *map(State, ("kidneys_b", "kidneys_n")),
    ]
    filtered = "gfr_L_per_min * phi"
    fluxes = [
        Flux("plasma_to_kidneys", "plasma", "kidneys_v", flow="F_kidneys"),
        Flux("kidneys_drain", "kidneys_v", "plasma", flow="F_kidneys"),
        Flux("filtration", "kidneys_v", "kidneys_t", f"{filtered} * conc(kidneys_v)"),
        Flux("urine", "kidneys_t", "excreted", f"{filtered} * f_excreted * conc(kidneys_t)"),
        Flux("reabsorption", "kidneys_t", "kidneys_v", f"{filtered} * (1 - f_excreted) * conc(kidneys_t)"),
        *_receptor("kidneys", "kidneys_t", "kidneys_b", "kidneys_n", "kidneys"),
    ]
    if megalin:
        states.append(State("kidneys_m"))
        uptake = "CL_megalin * conc(kidneys_t) / (1 + conc(kidneys_t) / k_megalin_nM)"
        fluxes += [Flux("megalin", "kidneys_t", "kidneys_m", uptake), *_release("kidneys", "kidneys_m", "kidneys")]
    return states, fluxes


def _definitions(lesions: Sequence[str], organs: Sequence[str], megalin: bool) -> dict[str, str]:
    made = {
        "V_p": "plasma_per_bsa_L * (1 - haematocrit) * bsa_m2",
        "F": "output_per_plasma_per_min * V_p",
        "koff": "kon_L_per_nmol_min * kd_nM",
        "F_kidneys": "flow_kidneys * F",
        "F_artery": "flow_liver * F",
        "F_spleen": "flow_spleen * F",
        "F_gut": "flow_gut * F",
        "V_marrow": "plasma_share_red_marrow * V_p * (1 + interstitium_per_plasma_red_marrow)",
        "V_plasma": "plasma_share_vessels * V_p + plasma_share_lungs * V_p * (1 + interstitium_per_plasma_lungs) + V_marrow",
        "V_kidneys_v": "vascular_kidneys * volume_kidneys_L",
        "V_kidneys_t": "tubular_kidneys * volume_kidneys_L",
        "R_kidneys": "r0_kidneys_nM * volume_kidneys_L",
        "PS_rest": "ps_slow_per_min * slow_per_body_L_per_kg * body_mass_kg",
        "V_rest_i": "interstitium_per_plasma_rest * V_p",
    }
    if megalin:
        made["aa_effect"] = "amino_acid_emax * aa / (aa + amino_acid_half_level)"
        made["CL_megalin"] = (
            "cl_megalin_L_per_min * (1 - aa_effect) / (1 - amino_acid_emax / (1 + amino_acid_half_level))"
        )
    for organ in organs:
        if organ not in ("liver", "spleen"):
            made[f"F_{organ}"] = f"flow_{organ} * F"
        made[f"V_{organ}_v"] = f"vascular_{organ} * volume_{organ}_L"
        made[f"V_{organ}_i"] = f"interstitium_{organ} * volume_{organ}_L"
        made[f"PS_{organ}"] = f"ps_{organ}_per_min * volume_{organ}_L"
        made[f"R_{organ}"] = f"r0_{organ}_nM * volume_{organ}_L"
    for name in lesions:
        made[f"L_{name}"] = f"volume_{name}_mL / 1000"
        made[f"F_{name}"] = f"perfusion_{name}_per_min * L_{name}"
        made[f"V_{name}_v"] = f"vascular_lesion * (1 - haematocrit) * L_{name}"
        made[f"V_{name}_i"] = f"interstitium_lesion * L_{name}"
        made[f"PS_{name}"] = f"ps_{name}_per_min * L_{name}"
        made[f"R_{name}"] = f"r0_{name}_nM * L_{name}"
    more = [organ for organ in organs if organ not in ("liver", "spleen")]
    taken = "".join(f" - F_{name}" for name in (*more, *lesions))
    made["F_rest"] = f"F * (1 - flow_kidneys - flow_liver - flow_spleen - flow_gut){taken}"
    held = "plasma_share_vessels - plasma_share_lungs - plasma_share_red_marrow"
    own = "".join(f" - V_{organ}_v" for organ in more)
    made["V_rest_v"] = f"V_p * (1 - {held}) - V_kidneys_v - V_liver_v - V_spleen_v{own}"
    return made


def regions_of(
    lesions: Sequence[str], organs: Sequence[str] = ORGANS, megalin: bool = True, held: bool = False
) -> dict[str, tuple[str, ...]]:
    """States of each region; red marrow is a share of plasma."""
    made = {"kidneys": tuple(f"kidneys_{part}" for part in ("vtbnm" if megalin else "vtbn"))}
    ordered = ["liver", "spleen", *(organ for organ in organs if organ not in ("liver", "spleen"))]
    made |= {name: tuple(f"{name}_{part}" for part in "vibn") for name in ordered}
    made |= {"plasma": ("plasma",), "rest": ("rest_v", "rest_i", *(("rest_n",) if held else ()))}
    return made | {name: tuple(f"{name}_{part}" for part in "vibn") for name in lesions}


def _parts(lesions: Sequence[str], organs: Sequence[str], megalin: bool) -> list[tuple[list[State], list[Flux]]]:
    more = [organ for organ in organs if organ not in ("liver", "spleen")]
    return [
        _kidneys(megalin),
        _organ("spleen", [("plasma", "F_spleen")], ("liver_v", "F_spleen"), "spleen"),
        _organ(
            "liver", [("plasma", "F_artery"), ("plasma", "F_gut")], ("plasma", "F_artery + F_gut + F_spleen"), "liver"
        ),
        *(_organ(name, [("plasma", f"F_{name}")], ("plasma", f"F_{name}"), name) for name in (*more, *lesions)),
    ]


def declare(
    values: Mapping[str, ModelParameter],
    lesions: Sequence[str],
    integrals: bool = True,
    organs: Sequence[str] = ORGANS,
    sites: bool = False,
) -> Model:
    """The model of a patient with these lesions; `integrals` adds the label and the decays of each region.

    `sites` adds the decays in each state of a region, from which `decay_sites` comes.
    """
    states, fluxes = [State("plasma", "plasma")], []
    megalin = "cl_megalin_L_per_min" in values
    for made, moved in _parts(lesions, organs, megalin):
        states += made
        fluxes += moved
    states += [
        State("rest_v", "rest_v"),
        State("rest_i", "rest_i"),
        State("excreted"),
    ]
    fluxes += [
        Flux("plasma_to_rest", "plasma", "rest_v", flow="F_rest"),
        Flux("rest_drain", "rest_v", "plasma", flow="F_rest"),
        Flux("rest_out_of_vessels", "rest_v", "rest_i", "PS_rest * conc(rest_v)"),
        Flux("rest_back_to_vessels", "rest_i", "rest_v", "PS_rest * conc(rest_i)"),
    ]
    held = "k_hold_rest_per_min" in values
    if held:  # what tissues without a model of their own take up and hold: gut, muscle, skin, bone, glands
        states.append(State("rest_n"))
        taken = Flux("rest_holding", "rest_i", "rest_n", "k_hold_rest_per_min * rest_i")
        fluxes += [taken, *_release("rest", "rest_n", "rest")]
    rates, events = [], [Event("peptide", "plasma", "peptide_nmol", "0", "infusion_min")]
    if megalin:
        states.append(State("aa", kind="signal", unit="1"))
        rates.append(Rate("aa", "-amino_acid_k_per_min * aa"))
        amount = "amino_acids * amino_acid_k_per_min * amino_acid_duration_min"
        events.append(Event("amino_acids", "aa", amount, "amino_acid_start_min", "amino_acid_duration_min"))
    if integrals:
        sums = regions_of(lesions, organs, megalin, held) | ({"megalin": ("kidneys_m",)} if megalin else {})
        if sites:
            sums |= {state: (state,) for of in sums.values() for state in of if state not in sums}
        _integrals(states, rates, sums)
    states = [replace(s, atol=_ATOL_NMOL) if s.kind == "amount" else s for s in states]
    spaces = dict.fromkeys(s.compartment for s in states if s.compartment)
    inside = ["volume_kidneys_L", "volume_liver_L", "volume_spleen_L", "volume_red_marrow_L", "volume_lungs_L"]
    wholes = [
        Whole("kidneys", "volume_kidneys_L", ("kidneys_v", "kidneys_t")),
        *(Whole(organ, f"volume_{organ}_L", (f"{organ}_v", f"{organ}_i")) for organ in organs),
        *(Whole(name, f"L_{name}", (f"{name}_v", f"{name}_i")) for name in lesions),
        Whole("the body (1 L/kg)", "body_mass_kg", (*inside, "slow_per_body_L_per_kg * body_mass_kg", *(f"L_{name}" for name in lesions))),
    ]  # fmt: skip
    return Model(
        "whole body",
        **_numbers(values),
        definitions=_definitions(lesions, organs, megalin),
        compartments=tuple(Compartment(c, f"V_{c}") for c in spaces),
        states=tuple(states),
        fluxes=tuple(fluxes),
        rates=tuple(rates),
        wholes=tuple(wholes),
        events=tuple(events),
    )


def _numbers(values: Mapping[str, ModelParameter]) -> dict[str, Any]:
    return {
        "parameters": {name: q.value for name, q in values.items()} | {"lambda_per_min": 0.0, "start_min": 0.0},
        "units": {name: q.unit for name, q in values.items()} | {"lambda_per_min": "1/min", "start_min": "min"},
    }


def _integrals(states: list[State], rates: list[Rate], sums: Mapping[str, Sequence[str]], atol: float = 1e-5) -> None:
    """The label, and the time integral of what is labelled in each region."""
    states.append(State("label", initial="exp(-lambda_per_min * start_min)", kind="signal", unit="1"))
    rates.append(Rate("label", "-lambda_per_min * label"))
    states += [State(f"int_{region}", kind="integral", unit="nmol min", atol=atol) for region in sums]
    rates += [Rate(f"int_{region}", f"label * ({' + '.join(of)})") for region, of in sums.items()]


def declare_linear(
    values: Mapping[str, ModelParameter], transfers: Sequence[Transfer], regions: Mapping[str, Sequence[str]]
) -> Model:
    """An agent that moves by linear transfers alone; what leaves goes to the compartment ``excreted``.

    dX_i/dt = sum_j k_ji X_j - sum_j k_ij X_i, k per day; one unit is given into plasma.
    """
    names = list(dict.fromkeys(end for t in transfers for end in (t.source, t.target)))
    states = [State(name, unit="1", atol=1e-10) for name in names]
    fluxes = tuple(
        Flux(f"{t.source}_to_{t.target}", t.source, t.target, f"{t.rate} / 1440 * {t.source}") for t in transfers
    )
    rates: list[Rate] = []
    _integrals(states, rates, regions, atol=1e-8)
    return Model(
        "linear transfers",
        **_numbers(values),
        compartments=(),
        states=tuple(states),
        fluxes=fluxes,
        rates=tuple(rates),
        events=(Event("agent", "plasma", "1", "0", "infusion_min"),),
    )
