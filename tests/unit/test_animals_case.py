"""Cases of animals that cannot be: refused, with the place named and what is allowed."""

from __future__ import annotations

import pathlib

import pytest

from alphatwin import AlphatwinError
from alphatwin.case.animals import is_animals, load_animals
from alphatwin.catalog._animals import animal, animals
from oracle.animals import spec

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def changed(path, value):
    made = spec()
    at = made
    for step in path[:-1]:
        at = at.setdefault(step, {})
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("tumour", "mass"), "40 g", ["tumour.mass", "40 g of tumour in a mouse of 25 g"]),
        (("uptake", "organs", "tumour", "percent_per_g"), [10, 10, 10, 3000], ["uptake.organs.tumour", "24 h", "150 %", "0.05 g"]),
        (("uptake", "decay_corrected"), None, ["uptake.decay_corrected is missing", "corrected to the injection"]),
        (("uptake", "decay_corrected"), "yes", ["uptake.decay_corrected"]),
        (("uptake", "organs", "tumour", "n"), 1, ["uptake.organs.tumour.n", "at least 2"]),
        (("uptake", "organs", "kidny"), {"percent_per_g": [1, 1, 1, 1], "sd": [1, 1, 1, 1], "n": 4}, ["uptake.organs.kidny", "Did you mean", "kidneys"]),
        (("endpoints", "tumour_volume"), "40 mm^3", ["endpoints.tumour_volume", "50 mm^3", "day 0"]),
        (("uptake", "times"), ["4 h", "1 h", "12 h", "24 h"], ["uptake.times", "increase"]),
        (("uptake", "organs", "kidneys", "sd"), [1, 1], ["uptake.organs.kidneys.sd", "2 values for 4"]),
        (("uptake", "organs", "tumour"), None, ["uptake.organs", "tumour is missing"]),
        (("tumour", "line"), "b16-f2", ["tumour.line", "Did you mean", "b16-f1"]),
        (("tumour", "override"), {"doubling_tme": 3.0}, ["tumour.override.doubling_tme", "doubling_time"]),
        (("body_mass",), "1 kg", ["body_mass", "no mouse"]),
        (("agent",), "lu177-dotatate", ["nuclide", "carries Lu-177"]),
        (("model",), {}, ["either `uptake`"]),
        (("uptake",), None, ["either `uptake`"]),
        (("arms", "treated", "growth_factor"), 0.5, ["arms.treated.source", "assumed"]),
        (("arms", "treated", "lysine"), True, ["arms.treated.lysine", "uptake_factor"]),
        (("arms", "treated", "times"), ["0 d", "70 d"], ["arms.treated.times", "after the study ends"]),
        (("study", "compare"), [["control", "treatd"]], ["study.compare.0", "Did you mean", "treated"]),
        (("study", "pool"), 20, ["study.pool"]),
        (("study", "power"), "100 %", ["study.power", "10 to 99 %"]),
        (("endpoints", "follow_up"), "10 years", ["endpoints.follow_up", "more than a rodent lives"]),
        (("endpoints", "observe_every"), "1 min", ["endpoints.observe_every", "measurements"]),
        (("organ_masses",), {"kidneys": "30 g"}, ["organ_masses.kidneys", "30 g"]),
        (("tumor",), {}, ["tumor", "Did you mean", "tumour"]),
        (("published",), [{"quantity": "mean_survival", "value": 3, "source": "x", "locator": "y"}], ["published.0.arm", "name the arm"]),
    ],
)  # fmt: skip
def test_refused_with_its_place(path, value, words):
    given = changed(path, value)
    if path == ("study", "pool"):
        given["study"] = {"pool": 20, "animals_per_arm": 15}
    with pytest.raises(AlphatwinError) as caught:
        load_animals(given)
    for word in words:
        assert word in str(caught.value)


def test_unknown_nuclide_and_modifier_are_refused_where_they_stand():
    from alphatwin.cohort.animals import animal_study

    with pytest.raises(AlphatwinError, match=r"^nuclide: "):
        animal_study(load_animals(changed(("nuclide",), "Pb-299")))
    with pytest.raises(AlphatwinError, match=r"^arms.treated.modifiers.0: "):
        animal_study(load_animals(changed(("arms", "treated", "modifiers"), [{"name": "7-fu"}])))


@pytest.mark.parametrize("name", ["mouse-212pb", "mouse-a1m", "mouse-212pb-melanoma"])
def test_examples_are_read(name):
    case = load_animals(EXAMPLES / f"{name}.yaml")
    assert case.case == name
    assert is_animals(EXAMPLES / f"{name}.yaml")


def test_other_cases_are_not_taken_for_animals(tmp_path):
    assert not is_animals(EXAMPLES / "snmmi-patient4.yaml")
    assert not is_animals(tmp_path)
    assert not is_animals(tmp_path / "none.yaml")


def test_every_entry_is_read_and_says_what_is_assumed():
    assert {"mouse", "rat"} == set(animals("species"))
    for entry in animals().values():
        for q in entry.values.values():
            assert not q.verified or q.evidence in ("read", "abstract")
    with pytest.raises(AlphatwinError, match="ar42j"):
        animal("ar42")
