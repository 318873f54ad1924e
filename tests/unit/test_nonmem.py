"""The table of events: read, refused with its line, expanded, written back to the last bit."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.errors import AlphatwinError, FitError
from alphatwin.kinetics._decay import decay_constant_per_h
from alphatwin.kinetics._population_model import curves_of
from alphatwin.kinetics.nonmem import Dataset, dataset_of, read_nonmem

HEAD = "ID,TIME,DV,AMT_MBQ,EVID,DVID,CENS,LLOQ,DECAYCORR\n"
DOSE = "1,0,.,7400,1,.,.,.,0\n"


def test_what_is_written_is_read_back_to_the_last_bit():
    text = HEAD + DOSE + "1,24.25,150.123456789,.,0,1,0,.,0\n1,96,.,.,0,1,1,2.5,0\n"
    data = read_nonmem(text)
    assert data.csv() == text
    assert read_nonmem(data.csv()) == data
    assert data.patients == (1,)
    assert data.regions == (1,)


@given(
    st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=8),
    st.lists(st.floats(0.001, 1e4), min_size=8, max_size=8, unique=True),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_round_trip_of_any_numbers(values, times, corrected):
    n = len(values)
    t = [0.0, *sorted(times)[:n]]
    columns = {
        "ID": [3] * (n + 1),
        "TIME": t,
        "DV": [None, *values],
        "AMT_MBQ": [7.4e3 / 3] + [None] * n,
        "EVID": [1] + [0] * n,
    }
    data = dataset_of(columns, decay_corrected=corrected)
    again = read_nonmem(data.csv())
    assert again.table.drop(columns="DECAYCORR").equals(data.table)
    assert (again.column("DECAYCORR") == float(corrected)).all()
    assert again.csv() == data.csv()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "There is no file"),
        ("\n", "empty table"),
        ("ID,TIME,DV,EVID,AMT_MBQ,DECAYCORR\n", "a header and no rows"),
        ("ID,TMIE,DV,EVID,AMT_MBQ,DECAYCORR\n1,0,.,1,7400,0\n", "no column TIME. Did you mean TMIE"),
        ("ID,TIME,DV,EVID,DECAYCORR\n1,0,.,1,0\n", "no column AMT_MBQ"),
        ("ID,TIME,DV,EVID,AMT_MBQ\n1,0,.,1,7400\n", "nothing says whether DV is decay-corrected"),
        ("ID,TIME,DV,EVID,AMT_MBQ,DECAYCOR\n1,0,.,1,7400,0\n", "Did you mean DECAYCOR"),
        ("ID,ID,TIME,DV,EVID,AMT_MBQ\n1,1,0,.,1,7400\n", "ID stands there twice"),
        ("ID,TIME,DV,EVID,AMT_MBQ,RATE,TINF,DECAYCORR\n1,0,.,1,7400,.,1,0\n", "RATE and TINF"),
        (HEAD + DOSE + "1,24,abc,.,0,1,0,.,0\n", "line 3, DV: 'abc' is not a number"),
        (HEAD + DOSE + "1,24,NA,.,0,1,0,.,0\n", "full stop"),
        (HEAD + DOSE + "1,24,inf,.,0,1,0,.,0\n", "finite"),
        (HEAD + DOSE + "1,24,3\n", "line 3: 3 values for 9 columns"),
        (HEAD + DOSE + "1,24,3,.,7,1,0,.,0\n", "line 3: EVID is 7"),
        (HEAD + DOSE + "1,24,3,.,0,1,0,.,0\n1,12,3,.,0,1,0,.,0\n", "line 4: TIME goes back from 24 to 12 h"),
        (
            HEAD + DOSE + "1,24,3,.,0,1,0,.,0\n1,24,4,.,0,1,0,.,0\n",
            "line 4: a measurement of region 1 of patient 1 at 24 h stands in line 3",
        ),
        (HEAD + DOSE + DOSE, "line 3: a dose into compartment 1"),
        (HEAD + "1,0,.,.,1,.,.,.,0\n", "line 2: a dose without an amount"),
        (HEAD + "1,0,.,-5,1,.,.,.,0\n", "without an amount"),
        (HEAD + DOSE + "1,24,.,.,0,1,0,.,0\n", "line 3: an observation without DV"),
        (HEAD + DOSE + "1,24,-2,.,0,1,0,.,0\n", "not negative"),
        (HEAD + DOSE + "1,24,.,.,0,1,1,.,0\n", "CENS is 1 without a limit"),
        (HEAD + DOSE + "1,24,9,.,0,1,1,3,0\n", "lies above LLOQ"),
        (HEAD + DOSE + "1,24,9,.,0,1,2,3,0\n", "CENS is 2; it is 0 or 1"),
        (HEAD + DOSE + "1,24,9,.,0,1,0,3,.\n", "DECAYCORR is missing"),
        (HEAD + DOSE + "1,24,9,50,0,1,0,3,0\n", "AMT_MBQ is 50 in a row with EVID 0"),
        (HEAD + DOSE + "2,0,.,7400,1,.,.,.,0\n" + "1,24,9,.,0,1,0,3,0\n", "line 4: patient 1 has rows further up"),
        (HEAD + "1.5,0,.,7400,1,.,.,.,0\n", "ID is 1.5"),
        (HEAD + "1,-1,.,7400,1,.,.,.,0\n", "TIME is -1"),
        ("ID,TIME,DV,EVID,AMT_MBQ,ADDL,II,DECAYCORR\n1,0,.,1,7400,3,.,0\n", "ADDL is 3 and II is ."),
        ("ID,TIME,DV,EVID,AMT_MBQ,RATE,DECAYCORR\n1,0,.,1,7400,-2,0\n", "RATE is -2"),
    ],
)
def test_bad_tables_are_refused_with_their_place(text, told):
    with pytest.raises(AlphatwinError) as error:
        read_nonmem(text)
    assert told in str(error.value)


def test_a_flag_that_contradicts_what_is_said_is_refused():
    with pytest.raises(FitError, match="decay_corrected=True was said"):
        read_nonmem(HEAD + DOSE, decay_corrected=True)


def test_a_table_that_is_no_text_and_one_that_is_a_folder(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FitError, match="not text in UTF-8"):
        read_nonmem(tmp_path / "x.csv")
    with pytest.raises(FitError, match="no file"):
        read_nonmem(tmp_path)


def test_a_dataset_cannot_be_changed_through_the_frame_it_was_made_of():
    frame = pd.DataFrame({"ID": [1], "TIME": [0.0], "DV": [np.nan], "EVID": [1], "AMT_MBQ": [7400.0]})
    data = Dataset(frame, decay_corrected=False)
    frame.loc[0, "AMT_MBQ"] = 1.0
    assert data.table["AMT_MBQ"][0] == 7400.0


def test_further_doses_get_rows_of_their_own_in_the_order_of_time():
    text = "ID,TIME,DV,AMT_MBQ,REFTIME,EVID,ADDL,II,DECAYCORR\n1,10,.,7400,4,1,2,1344,0\n1,34,150,.,.,0,.,.,0\n1,1400,140,.,.,0,.,.,0\n"
    wide = read_nonmem(text).expanded()
    doses = wide.table[wide.table["EVID"] == 1]
    assert doses["TIME"].tolist() == [10.0, 1354.0, 2698.0]
    assert doses["REFTIME"].tolist() == [4.0, 1348.0, 2692.0]
    assert wide.table["TIME"].is_monotonic_increasing
    assert wide.expanded() is wide
    assert len(wide) == 5


def test_a_reset_before_a_further_dose_is_refused():
    text = "ID,TIME,DV,AMT_MBQ,EVID,ADDL,II,DECAYCORR\n1,0,.,7400,1,2,1344,0\n1,2000,.,.,3,.,.,0\n"
    with pytest.raises(FitError, match="line 3: a reset of patient 1"):
        read_nonmem(text).expanded()


def test_decay_correction_is_undone_and_the_activity_taken_at_the_dose():
    lam = decay_constant_per_h("Lu-177")
    there = [(24.0, 150.0), (96.0, 60.0)]
    plain = HEAD + DOSE + "".join(f"1,{t},{y!r},.,0,1,0,.,0\n" for t, y in there)
    corrected = HEAD + DOSE + "".join(f"1,{t},{y * math.exp(lam * t)!r},.,0,1,0,.,1\n" for t, y in there)
    a, b = (curves_of(read_nonmem(x), "Lu-177") for x in (plain, corrected))
    assert a.percent == pytest.approx(b.percent, rel=1e-12)
    assert a.percent[0] == pytest.approx(100 * 150 / 7400)
    stated = "ID,TIME,DV,AMT_MBQ,REFTIME,EVID,DECAYCORR\n1,12,.,7400,0,1,0\n1,36,150,.,.,0,0\n"
    c = curves_of(read_nonmem(stated), "Lu-177")
    assert c.activity_MBq[0] == pytest.approx(7400 * math.exp(-12 * lam))
    assert c.time_h.tolist() == [24.0]


def test_the_wrong_flag_moves_an_activity_by_the_decay_in_between():
    """What the flag is for: 177Lu at 168 h, corrected or not, differs by a factor of two."""
    text = HEAD + DOSE + "1,168,60,.,0,1,0,.,{}\n"
    a, b = (
        curves_of(read_nonmem(text.format(f).replace(",.,0\n1", f",.,{f}\n1")), "Lu-177").percent[0] for f in (0, 1)
    )
    assert a / b == pytest.approx(math.exp(168 * decay_constant_per_h("Lu-177")))
    assert a / b > 2


def test_cycles_are_curves_of_their_own_and_too_close_ones_are_refused():
    text = "ID,TIME,DV,AMT_MBQ,EVID,DECAYCORR\n1,0,.,7400,1,0\n1,24,150,.,0,0\n1,{0},.,7400,1,0\n1,{1},140,.,0,0\n"
    two = curves_of(read_nonmem(text.format(1344, 1368)), "Lu-177")
    assert two.labels == ("1", "1/2")
    assert two.time_h.tolist() == [24.0, 24.0]
    with pytest.raises(FitError, match="half-lives after the one before"):
        curves_of(read_nonmem(text.format(168, 192)), "Lu-177")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,24,150,.,0,1,0,.,0\n", "before any dose"),
        (DOSE + "1,24,9000,.,0,1,0,.,0\n", "122 % of the administered"),
        (DOSE + "1,0,90,.,0,1,0,.,0\n", "at the time of the dose"),
    ],
)
def test_measurements_that_cannot_be_are_refused(rows, told):
    with pytest.raises(FitError, match=told):
        curves_of(read_nonmem(HEAD + rows), "Lu-177")


def test_an_unknown_region_is_refused():
    with pytest.raises(AlphatwinError, match="no region DVID '2'"):
        curves_of(read_nonmem(HEAD + DOSE + "1,24,90,.,0,1,0,.,0\n"), "Lu-177", 2)
