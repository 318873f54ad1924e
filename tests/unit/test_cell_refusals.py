"""The cell-scale functions refuse text, truth values and shapes that do not fit in their own words."""

import pytest

import alphatwin as at
from alphatwin.dose.cells import Labelled


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: at.oer([60, 100], [0, 1, 2]), "shape"),
        (lambda: at.oer("100", 5), "let_keV_per_um"),
        (lambda: at.oer(100, True), "po2_mmHg"),
        (lambda: at.spheroid("Po-210", decays_per_cell=1, cells=20, uptake=Labelled("20 %")), "0.25 for 25 %"),
        (lambda: at.spheroid("Po-210", decays_per_cell=1, cells=20, source={"surface": "a"}), "shares such as"),
        (lambda: at.spheroid("Po-210", decays_per_cell=1, cells=20, uptake="lognormal"), "uptake is 'lognormal'"),
        (lambda: at.survival("ball", at.LinearQuadratic(0.5, 0.03)), "no cluster"),
        (lambda: at.compare(None), "list of names"),
    ],
)
def test_api_refuses_in_its_own_words(call, expected):
    with pytest.raises(at.AlphatwinError, match=expected):
        call()
