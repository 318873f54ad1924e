"""A second reading: numbers written here from the sources, never from the entries, and consistency of what they say.

Each row was copied from the text of the source named in its comment: a label's wording, an abstract, a table. An entry
that was mistyped, or that gives a number another unit, region or quantity, disagrees with its row.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from alphatwin import catalog

LN2 = math.log(2)

# agent, basis, value, unit, cap, cycles, weeks between cycles
ACTIVITIES = [
    # Lutathera label: 7.4 GBq every 8 weeks for a total of 4 doses
    ("lu177-dotatate", "fixed", 7.4, "GBq", None, 4, 8),
    # Pluvicto label: 7.4 GBq every 6 weeks for up to 6 doses
    ("lu177-psma-617", "fixed", 7.4, "GBq", None, 6, 6),
    # Xofigo label: 55 kBq per kg body weight at 4 week intervals for 6 injections
    ("ra223-chloride", "per_kg", 55, "kBq/kg", None, 6, 4),
    # Octreoscan label: 111 MBq for planar imaging, 222 MBq for SPECT
    ("in111-pentetreotide", "fixed", 111, "MBq", None, 1, None),
    ("in111-pentetreotide", "fixed", 222, "MBq", None, 1, None),
    # Detectnet label: 148 MBq
    ("cu64-dotatate", "fixed", 148, "MBq", None, 1, None),
    # Delpassand 2022, abstract: 4 cycles of 2.50 MBq/kg at 8-week intervals
    ("pb212-dotamtate", "per_kg", 2.5, "MBq/kg", None, 4, 8),
    # ACTION-1 design 2022, abstract: level 0 120, level -1 90, level -2 60 kBq/kg, every 8 weeks, up to 4 cycles
    ("ac225-dotatate", "per_kg", 120, "kBq/kg", None, 4, 8),
    ("ac225-dotatate", "per_kg", 90, "kBq/kg", None, 4, 8),
    ("ac225-dotatate", "per_kg", 60, "kBq/kg", None, 4, 8),
    # ACTION-1 NANETS 2023, abstract: recommended phase 3 dose 10.2 MBq (275 uCi)
    ("ac225-dotatate", "fixed", 10.2, "MBq", None, 4, 8),
    # Kratochwil 2015, abstract: single 40 MBq; 25 MBq every 4 months; 18.5 MBq every 2 months
    ("ac225-dotatoc", "fixed", 40, "MBq", None, 1, None),
    ("ac225-dotatoc", "fixed", 25, "MBq", None, None, pytest.approx(4 * 30.4375 / 7, abs=0.05)),
    ("ac225-dotatoc", "fixed", 18.5, "MBq", None, None, pytest.approx(2 * 30.4375 / 7, abs=0.05)),
    # Kobayakawa 2024, abstract: 0.65 MBq/kg, escalated 1:2:4; register: 0.65, 1.3, 2.1 MBq/kg
    ("at211-mabg", "per_kg", 0.65, "MBq/kg", None, 1, None),
    ("at211-mabg", "per_kg", 1.3, "MBq/kg", None, 1, None),
    ("at211-mabg", "per_kg", 4 * 0.65, "MBq/kg", None, 1, None),
    ("at211-mabg", "per_kg", 2.1, "MBq/kg", None, 1, None),
    # VMT-alpha-NET announcement: 111, 185, 370, 555 MBq per dose, up to 4, about 8 weeks apart
    ("pb212-psc-peg2-toc", "fixed", 111, "MBq", None, 4, 8),
    ("pb212-psc-peg2-toc", "fixed", 185, "MBq", None, 4, 8),
    ("pb212-psc-peg2-toc", "fixed", 370, "MBq", None, 4, 8),
    ("pb212-psc-peg2-toc", "fixed", 555, "MBq", None, 4, 8),
    # Marincek 2013, abstract: medians 2.4, 3.3, 6.7 GBq per cycle
    ("y90-dotatoc", "fixed", 2.4, "GBq", None, None, None),
    ("y90-dotatoc", "fixed", 3.3, "GBq", None, None, None),
    ("y90-dotatoc", "fixed", 6.7, "GBq", None, None, None),
    # Menda 2018, abstract: 3 cycles 6 to 8 weeks apart, first 4.4 GBq in adults, 1.85 GBq/m2 in children
    ("y90-dotatoc", "fixed", 4.4, "GBq", None, 3, 7),
    ("y90-dotatoc", "per_m2", 1.85, "GBq/m^2", None, 3, 7),
    # Demirci 2023, abstract: mean 8.2 +- 0.6 MBq
    ("ac225-dotatate", "fixed", 8.2, "MBq", None, None, None),
    # Annals of Nuclear Medicine 2022, abstract: a single 7.4 GBq of 131I-mIBG
    ("i131-mibg", "fixed", 7.4, "GBq", None, 1, None),
]

# agent, region, quantity, RBE, value, spread, unit
DOSES = [
    # Gupta 2013, abstract
    ("lu177-dotatate", "kidneys", "absorbed_dose", None, 0.57, 0.09, "mGy/MBq"),
    ("lu177-dotatate", "liver", "absorbed_dose", None, 0.27, 0.05, "mGy/MBq"),
    ("lu177-dotatate", "spleen", "absorbed_dose", None, 1.17, 0.14, "mGy/MBq"),
    ("lu177-dotatate", "pituitary", "absorbed_dose", None, 0.058, 0.011, "mGy/MBq"),
    ("lu177-dotatate", "tumour", "absorbed_dose", None, 3.41, 0.68, "mGy/MBq"),
    # Santoro 2018 and Willowson 2018, abstracts
    ("lu177-dotatate", "kidneys", "absorbed_dose", None, 0.43, 0.13, "mGy/MBq"),
    ("lu177-dotatate", "kidneys", "absorbed_dose", None, 0.38, 0.19, "Gy/GBq"),
    # Staanum 2021, abstract: means
    ("lu177-dotatate", "kidneys", "absorbed_dose", None, 0.46, None, "Gy/GBq"),
    ("lu177-dotatoc", "kidneys", "absorbed_dose", None, 0.37, None, "Gy/GBq"),
    # Bodei, NETTER-1 substudy, abstract: 19.4 Gy for 29.6 GBq
    ("lu177-dotatate", "kidneys", "absorbed_dose", None, pytest.approx(19.4 / 29.6, abs=5e-4), None, "Gy/GBq"),
    # Bergsma 2016, abstract: 67 +- 7 mGy/GBq
    ("lu177-dotatate", "red_marrow", "absorbed_dose", None, 67e-3, 7e-3, "Gy/GBq"),
    # Kratochwil 2018, abstract, Sv (RBE 5) per GBq
    ("bi213-psma-617", "kidneys", "rbe_weighted_dose", 5, 8.1, None, "Gy/GBq"),
    ("bi213-psma-617", "salivary_glands", "rbe_weighted_dose", 5, 8.1, None, "Gy/GBq"),
    ("bi213-psma-617", "red_marrow", "rbe_weighted_dose", 5, 0.52, None, "Gy/GBq"),
    ("bi213-psma-617", "liver", "rbe_weighted_dose", 5, 1.2, None, "Gy/GBq"),
    ("bi213-psma-617", "spleen", "rbe_weighted_dose", 5, 1.4, None, "Gy/GBq"),
    ("bi213-psma-617", "urinary_bladder", "rbe_weighted_dose", 5, 0.28, None, "Gy/GBq"),
    ("bi213-psma-617", "tumour", "rbe_weighted_dose", 5, 7.6, None, "Gy/GBq"),
    # Lutetium PSMA-617, 7 patients, abstract; 16 patients with one kidney, abstract
    ("lu177-psma-617", "parotid_glands", "absorbed_dose", None, 1.90, 1.19, "Gy/GBq"),
    ("lu177-psma-617", "kidneys", "absorbed_dose", None, 0.82, 0.25, "Gy/GBq"),
    ("lu177-psma-617", "red_marrow", "absorbed_dose", None, 0.030, 0.008, "Gy/GBq"),
    ("lu177-psma-617", "kidneys", "absorbed_dose", None, 0.81, 0.32, "Gy/GBq"),
    # Walker 2013, table 3 (columns 68Ga-DOTATATE, 68Ga-DOTATOC, 111In-DTPA-octreotide)
    ("ga68-dotatate", "kidneys", "absorbed_dose", None, 9.21e-2, None, "mGy/MBq"),
    ("ga68-dotatate", "liver", "absorbed_dose", None, 4.50e-2, None, "mGy/MBq"),
    ("ga68-dotatate", "spleen", "absorbed_dose", None, 2.82e-1, None, "mGy/MBq"),
    ("ga68-dotatate", "urinary_bladder", "absorbed_dose", None, 1.25e-1, None, "mGy/MBq"),
    ("ga68-dotatoc", "kidneys", "absorbed_dose", None, 2.2e-1, None, "mGy/MBq"),
    ("ga68-dotatoc", "liver", "absorbed_dose", None, 7.4e-2, None, "mGy/MBq"),
    ("ga68-dotatoc", "spleen", "absorbed_dose", None, 2.4e-1, None, "mGy/MBq"),
    ("ga68-dotatoc", "urinary_bladder", "absorbed_dose", None, 7.0e-2, None, "mGy/MBq"),
    ("in111-pentetreotide", "kidneys", "absorbed_dose", None, 4.5e-1, None, "mGy/MBq"),
    ("in111-pentetreotide", "liver", "absorbed_dose", None, 7.0e-2, None, "mGy/MBq"),
    ("in111-pentetreotide", "spleen", "absorbed_dose", None, 3.2e-1, None, "mGy/MBq"),
    ("in111-pentetreotide", "urinary_bladder", "absorbed_dose", None, 1.8e-1, None, "mGy/MBq"),
    # Lassmann and Nosske 2013, abstract: 21 MBq give about 16 Gy (endosteum) and 1.5 Gy (marrow) of alpha dose
    ("ra223-chloride", "bone_endosteum", "absorbed_dose", None, pytest.approx(16 / 21, rel=1e-3), None, "Gy/MBq"),
    ("ra223-chloride", "red_marrow", "absorbed_dose", None, pytest.approx(1.5 / 21, rel=1e-3), None, "Gy/MBq"),
    # Ertl 1987, abstract
    ("i131-mibg", "thyroid", "absorbed_dose", None, 5.69, None, "mGy/MBq"),
    ("i131-mibg", "adrenals", "absorbed_dose", None, 18.67, None, "mGy/MBq"),
    ("i131-mibg", "lungs", "absorbed_dose", None, 0.176, None, "mGy/MBq"),
    ("i131-mibg", "testes", "absorbed_dose", None, 0.108, None, "mGy/MBq"),
]

# agent, name, value, spread, unit
OTHERS = [
    ("lu177-dotatate", "intact_in_plasma_24h", 23, 5, "%"),  # Lubberink 2020, abstract
    ("lu177-dotatate", "intact_in_plasma_96h", 1.7, 0.9, "%"),
    ("lu177-psma-617", "blood_distribution_half_life", 0.16, 0.09, "h"),  # 7 patients, abstract
    ("lu177-psma-617", "blood_elimination_half_life", 10.8, 2.5, "h"),
    ("lu177-psma-617", "excretion_24h", 56.5, 8.8, "%"),
    ("ac225-dotatoc", "tolerable_cumulative_activity", 75, None, "MBq"),  # Kratochwil 2015, abstract
    ("ac225-dotatoc", "egfr_loss", 8.4, None, "mL/min/year"),  # Kratochwil 2021, abstract
    ("bi213-dotatate", "mouse_tumour_dose", 0.5, None, "Gy/MBq"),  # Chan 2016, abstract
    ("bi213-dotatate", "mouse_optimal_peptide", 0.3, None, "nmol"),
    ("ra223-chloride", "bone_uptake_4h", 61, 10, "%"),  # Hoellriegl 2021, table 4
    ("ga68-dotatate", "effective_dose", 0.021, 0.003, "mSv/MBq"),  # Sandstroem 2013, abstract
]

# Hemmingsson 2023, table 3, Gy/GBq, patients 1 to 17; patient 5 is left out of the averages of the paper
BLOOD_BASED = {
    1: 0.015, 2: 0.011, 3: 0.012, 4: 0.010, 5: 0.019, 6: 0.011, 7: 0.017, 8: 0.012, 9: 0.013, 10: 0.013, 11: 0.023,
    12: 0.014, 13: 0.023, 14: 0.021, 15: 0.029, 16: 0.009, 17: 0.029,
}  # fmt: skip
HIP_TOTAL = {
    1: 0.085, 2: 0.030, 3: 0.042, 4: 0.025, 5: 0.273, 6: 0.034, 7: 0.028, 8: 0.054, 9: 0.045, 10: 0.040, 11: 0.079,
    12: 0.058, 13: 0.059, 14: 0.096, 15: 0.116, 16: 0.030, 17: 0.085,
}  # fmt: skip
VERTEBRAE_TOTAL = {
    1: 0.093, 2: 0.044, 3: 0.033, 4: 0.036, 5: 0.524, 6: 0.034, 7: 0.042, 8: 0.050, 9: 0.062, 10: 0.070, 11: 0.106,
    12: 0.077, 13: 0.093, 14: 0.093, 15: 0.157, 16: 0.039, 17: 0.086,
}  # fmt: skip


@pytest.mark.parametrize("row", ACTIVITIES, ids=lambda r: f"{r[0]}-{r[2]}")
def test_administered_activity_read_twice(row: tuple[Any, ...]) -> None:
    agent, *expected = row
    found = [
        [a.basis, pytest.approx(a.value), a.unit, a.cap, a.cycles, a.interval_weeks]
        for a in catalog.agent(agent).activities
        if a.verified
    ]
    assert expected in found


@pytest.mark.parametrize("row", DOSES, ids=lambda r: f"{r[0]}-{r[1]}-{r[4]}")
def test_dose_coefficient_read_twice(row: tuple[Any, ...]) -> None:
    agent, *expected = row
    found = [[d.region, d.quantity, d.rbe, d.value, d.u, d.unit] for d in catalog.agent(agent).doses if d.verified]
    assert expected in found


@pytest.mark.parametrize("row", OTHERS, ids=lambda r: f"{r[0]}-{r[1]}")
def test_other_quantity_read_twice(row: tuple[Any, ...]) -> None:
    agent, name, *expected = row
    quantity = catalog.agent(agent).other[name]
    assert [quantity.value, quantity.u, quantity.unit] == expected
    assert quantity.verified


def test_the_second_reading_covers_every_verified_activity_and_dose() -> None:
    """Each verified activity and dose has a row above, except where two entries repeat one printed number."""
    for kind, rows in (("activities", ACTIVITIES), ("doses", DOSES)):
        read: dict[str, int] = {}
        for row in rows:
            read[row[0]] = read.get(row[0], 0) + 1
        for identity, agent in catalog.entries("agent").items():
            verified = sum(item.verified for item in getattr(agent, kind))
            unread = {  # checked in other tests of this file, or the same number for a second schedule
                ("lu177-dotatate", "activities"): 1,  # 7.4 GBq at 10 weeks (Sundlov 2022)
                ("lu177-dotatate", "doses"): 3,  # the three averages of Hemmingsson 2023
                ("ac225-dotatoc", "activities"): 1,  # 20 MBq, the threshold of Kratochwil 2021
                ("ga68-dotatate", "activities"): 1,  # 185 MBq, Walker 2013
                ("ga68-dotatoc", "activities"): 1,
            }.get((identity, kind), 0)
            assert read.get(identity, 0) + unread == verified, f"{identity} {kind}"


@pytest.mark.parametrize("identity", ["ga68-dotatate", "ga68-dotatoc"])
def test_typical_gallium_scan(identity: str) -> None:
    """Walker 2013, table 3: typical injected activity 185 MBq (5 mCi) for both agents."""
    (scan,) = (a for a in catalog.agent(identity).activities if a.verified)
    assert (scan.value, scan.unit) == (185, "MBq")


@pytest.mark.parametrize(
    ("printed", "locator"),
    [(BLOOD_BASED, "last column"), (HIP_TOTAL, "hip bones"), (VERTEBRAE_TOTAL, "vertebrae")],
    ids=["blood", "hip", "vertebrae"],
)
def test_marrow_averages_follow_from_the_printed_table(printed: dict[int, float], locator: str) -> None:
    values = [v for patient, v in printed.items() if patient != 5]
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    (dose,) = (
        d
        for d in catalog.agent("lu177-dotatate").doses
        if d.source == "hemmingsson2023" and locator in d.locator and d.region == "red_marrow"
    )
    assert dose.value == pytest.approx(mean, abs=5e-4)
    assert dose.u == pytest.approx(sd, abs=5e-4)
    assert (dose.low, dose.high) == (min(values), max(values))


def _blood_curve() -> list[tuple[float, float]]:
    (curve,) = catalog.agent("lu177-dotatate").kinetics
    assert (curve.region, curve.half_lives) == ("blood", "biological")
    assert curve.unit == "fraction of administered activity per L"
    return [(term.fraction, term.half_life_h) for term in curve.terms]


def test_blood_curve_returns_the_label_numbers_it_was_built_from() -> None:
    """Clearance 4.5 L/h, effective half-life 3.5 h, terminal half-life 71 h, Cmax 10 ng/mL, AUC 41 ng h/mL."""
    terms = _blood_curve()
    area_h_per_L = sum(a * T for a, T in terms) / LN2
    first_moment = sum(a * T**2 for a, T in terms) / LN2**2
    assert 1 / area_h_per_L == pytest.approx(4.5, rel=5e-3)
    assert LN2 * first_moment / area_h_per_L == pytest.approx(3.5, rel=5e-3)
    assert max(T for _, T in terms) == 71
    assert sum(a for a, _ in terms) == pytest.approx(10 / (41 * 4.5), rel=5e-3)


def test_label_volume_is_clearance_over_terminal_rate() -> None:
    other = catalog.agent("lu177-dotatate").other
    volume_L = other["blood_clearance"].value * other["blood_terminal_half_life"].value / LN2
    assert volume_L == pytest.approx(other["blood_volume_of_distribution"].value, rel=0.01)


def test_marrow_self_dose_from_the_blood_curve_lies_among_measured_patients() -> None:
    """An independent check: label clearance gives what blood-based dosimetry measured in 16 other patients.

    D/A = (time-integrated concentration) x E/rho, marrow concentration = blood concentration, E = 0.1479 MeV of
    electrons per 177Lu decay (ICRP 107) absorbed in place, blood 1.06 kg/L, half-life 6.647 d (labels).
    """
    physical_h = 6.647 * 24
    area_h_per_L = sum(a * T * physical_h / (T + physical_h) for a, T in _blood_curve()) / LN2
    dose_Gy_per_GBq = area_h_per_L * 3600 * 1e9 * 0.1479 * 1.602176634e-13 / 1.06
    patients = [v for patient, v in BLOOD_BASED.items() if patient != 5]
    mean = sum(patients) / len(patients)
    sd = math.sqrt(sum((v - mean) ** 2 for v in patients) / (len(patients) - 1))
    assert abs(dose_Gy_per_GBq - mean) < sd
