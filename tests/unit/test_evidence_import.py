"""Reference lists and registry records become rows, whatever they lack; what cannot become one is told."""

import copy
import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.errors import CatalogError
from alphatwin.evidence import imported, prisma
from alphatwin.evidence.store import joined

DATA = pathlib.Path(__file__).parent / "data"
RECORD = json.loads((DATA / "ctgov-v2.json").read_text(encoding="utf-8"))
RIS = """TY  - JOUR
AU  - Müller, Anna
AU  - Öz, B.
TI  - Alpha therapy of something rarely treated before now
JO  - J Nucl Med
PY  - 2024
DO  - 10.2967/jnumed.123.456789
ER  -

TY  - JOUR
T1  - Untold authors of a study without a year
ZZ  - an unknown tag
ER  -

TY  - JOUR
AU  - Kratochwil, C.
TI  - 213Bi-DOTATOC receptor-targeted alpha-radionuclide therapy induces remission in neuroendocrine tumours refractory to beta radiation
DO  - https://doi.org/10.1007/s00259-014-2857-9
PY  - 2014/05//
ER  -

TY  - JOUR
AU  - Nobody, N.
ER  -
"""
BIB = r"""@article{m2024, author={M{\"u}ller, Anna and \"Oz, B.}, title={{Alpha} therapy of something}, journal={J Nucl Med}, year={2024}, doi={10.2967/jnumed.123.456789}}
@misc{x, title={Without anything else}}
"""


@pytest.fixture(scope="module")
def store():
    return at.evidence()


def read(tmp_path, name, text, store, **options):
    file = tmp_path / name
    file.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return imported(file, store, today="2026-11-30", **options)


def test_ris_gives_sources_that_wait(tmp_path, store):
    made = read(tmp_path, "found.ris", RIS, store)
    rows = {s.id: s for s in made.tables["source"]}
    assert list(rows) == ["muller_2024", "anonymous", "kratochwil_2014"]
    first = rows["muller_2024"]
    assert (first.doi, first.date, first.decision, first.found_by) == (
        "10.2967/jnumed.123.456789",
        "2024",
        "pending",
        "database",
    )
    assert (
        first.citation == "Müller, Anna; Öz, B.. Alpha therapy of something rarely treated before now. J Nucl Med 2024"
    )
    assert rows["anonymous"].date is None
    same = rows["kratochwil_2014"]
    assert (same.duplicate_of, same.decision, same.doi) == ("kratochwil2014", "excluded", "10.1007/s00259-014-2857-9")
    assert made.told == ("reference 4 has no title and was left out",)
    flow = prisma(joined(store, made.tables))
    before = prisma(store)
    assert (flow.total - before.total, flow.duplicates, flow.pending - before.pending) == (3, 1, 2)
    assert flow.total == flow.duplicates + flow.excluded + flow.pending + flow.reports


def test_bibtex_gives_sources(tmp_path, store):
    made = read(tmp_path, "found.bib", BIB, store)
    assert [s.id for s in made.tables["source"]] == ["muller_2024", "anonymous"]
    assert made.tables["source"][0].doi == "10.2967/jnumed.123.456789"


def test_the_same_list_twice_gives_duplicates(tmp_path, store):
    once = read(tmp_path, "found.ris", RIS, store)
    more = joined(store, once.tables)
    again = read(tmp_path, "found.ris", RIS, more)
    assert again.tables["source"][0].duplicate_of == "muller_2024"
    assert not {s.id for s in again.tables["source"]} & {s.id for s in once.tables["source"]}
    joined(more, again.tables)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.ris", "", "no reference"),
        ("x.ris", "hello\nworld", "x.ris"),
        ("x.bib", "", "no reference"),
        ("x.bib", "@article{a, title={open", "no reference"),
        ("x.txt", "a", "ending in .ris"),
        ("x.json", "{", "not readable JSON"),
        ("x.json", "[" * 100_000, "not readable JSON"),
        ("x.json", "[1, 2]", "no protocolSection"),
        ("x.json", "null", "no protocolSection"),
        ("x.json", '{"studies": []}', "no study"),
        ("x.json", '{"protocolSection": {}}', "NCT and eight digits"),
        ("x.json", '{"protocolSection": {"identificationModule": {"nctId": 7}}}', "NCT and eight digits"),
        ("x.json", '{"protocolSection": {"identificationModule": {"nctId": "NCT00000002"}}}', "Name it with --agent"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, store, name, text, told):
    with pytest.raises(CatalogError) as refused:
        read(tmp_path, name, text, store)
    assert told in str(refused.value)


def test_a_missing_or_binary_file_is_refused(tmp_path, store):
    with pytest.raises(CatalogError, match="cannot be read"):
        imported(tmp_path / "no.ris", store)
    (tmp_path / "b.ris").write_bytes(b"\xff\xfe\x00TY")
    with pytest.raises(CatalogError, match="UTF-8"):
        imported(tmp_path / "b.ris", store)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, store, monkeypatch):
    from alphatwin.evidence import importing

    monkeypatch.setattr(importing, "MAX_BYTES", 100)
    with pytest.raises(CatalogError, match="at most"):
        read(tmp_path, "big.ris", "x" * 1000, store)


def test_a_registry_record_becomes_rows(tmp_path, store):
    made = read(tmp_path, "nct.json", RECORD, store)
    more = joined(store, made.tables)
    assert made.tables["source"][0].date == "2025-06-17"
    assert more.one("extraction", "nct00000001.20250617").status == "secondary"
    study = more.one("study", "nct00000001")
    assert (study.agent, study.year, study.phase, study.registry_id) == (
        "pb212-dotamtate",
        2021,
        "PHASE2",
        ("NCT00000001",),
    )
    rows = {(r.cohort, r.assessor): r for r in more.select("response", study="nct00000001", every_record=True)}
    naive, after = "nct00000001.prrt_naive", "nct00000001.after_prrt"
    assert {k: (r.events, r.total, r.confirmed) for k, r in rows.items()} == {
        (naive, "central"): (20, 35, "yes"), (after, "central"): (5, 26, "yes"), (naive, "investigator"): (21, 35, "unknown")}  # fmt: skip
    control = {r.assessor: r for r in more.select("control", study="nct00000001", every_record=True)}
    assert (control["investigator"].events, control["investigator"].how) == (33, "counted")
    assert (control["unknown"].events, control["unknown"].how, control["unknown"].printed) == (
        33,
        "reconstructed",
        "94.3%",
    )
    (pfs,) = made.tables["time_to_event"]
    assert (pfs.endpoint, pfs.median, pfs.low, pfs.high, pfs.unit, pfs.cohort) == (
        "pfs",
        21.5,
        15.0,
        None,
        "months",
        after,
    )
    (egfr,) = [r for r in made.tables["outcome"] if r.value is not None]
    assert (egfr.name, egfr.value, egfr.unit) == ("other_registered", -4.2, "mL/min/1.73 m2")
    assert any("NA is no number" in line for line in made.told)


def test_adverse_events_of_a_registry_record(tmp_path, store):
    made = read(tmp_path, "nct.json", RECORD, store)
    rows = {(r.term, r.cohort.split(".")[1]): r for r in made.tables["adverse_event"]}
    aki = rows["Acute kidney injury", "after_prrt"]
    assert (aki.group, aki.grade, aki.numerator, aki.denominator) == ("renal", "serious", 2, 26)
    assert rows["Lymphocyte count decreased", "prrt_naive"].group == "hematologic"
    assert ("Lymphocyte count decreased", "after_prrt") not in rows  # affected is not given: that is no zero
    assert (rows["death of any cause", "prrt_naive"].numerator, rows["any", "after_prrt"].numerator) == (2, 8)
    assert all(r.window == "From first dose to 6 months after the last" for r in rows.values())
    assert all(r.ctcae_version == "unknown" for r in rows.values())
    assert len(list(joined(store, made.tables).select("kidney", study="nct00000001"))) == 0  # one term is not the group


def test_a_study_known_under_the_same_number_is_named_as_overlapping(tmp_path, store):
    record = copy.deepcopy(RECORD)
    record["protocolSection"]["identificationModule"]["nctId"] = "NCT05153772"
    made = read(tmp_path, "nct.json", record, store)
    assert made.tables["study"][0].overlaps_with == ("alphamedix02",)
    chosen = joined(store, made.tables).select("response", agent="pb212-dotamtate", prior=None)
    assert any("studies with patients in common" in why for _, _, why in chosen.overlaps)


def test_a_later_version_of_a_record_is_a_new_reading(tmp_path, store):
    first = joined(store, read(tmp_path, "a.json", RECORD, store).tables)
    with pytest.raises(CatalogError, match="in the store already"):
        read(tmp_path, "a.json", RECORD, first)
    record = copy.deepcopy(RECORD)
    record["protocolSection"]["statusModule"]["lastUpdatePostDateStruct"]["date"] = "2026-01-05"
    second = read(tmp_path, "b.json", record, first)
    assert "study" not in second.tables
    assert len(joined(first, second.tables).select("response", study="nct00000001")) == 2  # one record a cohort


def test_a_page_of_studies_and_a_named_agent(tmp_path, store):
    record = copy.deepcopy(RECORD)
    record["protocolSection"]["armsInterventionsModule"] = {"interventions": [{"name": "study drug"}]}
    with pytest.raises(CatalogError, match="study drug"):
        read(tmp_path, "page.json", {"studies": [record]}, store)
    made = read(tmp_path, "page.json", {"studies": [record]}, store, agent="ac225-dotatate")
    assert made.tables["study"][0].agent == "ac225-dotatate"
    with pytest.raises(CatalogError, match="Did you mean ac225-dotatate"):
        read(tmp_path, "page.json", {"studies": [record]}, store, agent="ac225-dotatat")


def test_a_record_without_results_says_so(tmp_path, store):
    record = {k: v for k, v in RECORD.items() if k == "protocolSection"}
    made = read(tmp_path, "nct.json", record, store)
    assert set(made.tables) == {"source", "study", "extraction"}
    assert made.told == ("NCT00000001 has no posted results",)


def test_impossible_numbers_are_left_out_and_told(tmp_path, store):
    record = copy.deepcopy(RECORD)
    module = record["resultsSection"]["adverseEventsModule"]
    module["seriousEvents"][0]["stats"][0]["numAffected"] = 99
    module["seriousEvents"].append({"organSystem": "x"})
    measure = record["resultsSection"]["outcomeMeasuresModule"]["outcomeMeasures"][0]
    measure["classes"][0]["categories"][0]["measurements"].append({"groupId": "OG999", "value": "3"})
    told = read(tmp_path, "nct.json", record, store).told
    assert any("99 of 35" in line for line in told)
    assert any("no term" in line for line in told)
    assert any("OG999" in line for line in told)


def paths(data, here=()):
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*here, key)
            yield from paths(value, (*here, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield (*here, i)
            yield from paths(value, (*here, i))


PATHS = list(paths(RECORD))
ODD = [None, "", "x" * 5000, -1, 1e308, 10**400, True, [], {}, [[]], {"a": 1}, "NaN", "\u202e\x00"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(ODD)), min_size=1, max_size=4))
def test_any_damage_to_a_record_is_read_or_refused_in_words(changes):
    from alphatwin.evidence.importing import _registry

    record = copy.deepcopy(RECORD)
    for path, value in changes:
        at_ = record
        try:
            for key in path[:-1]:
                at_ = at_[key]
            at_[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    store, told = at.evidence(), "read, and joined to the store"
    try:  # what is not refused as a record may still be refused beside the rows of the store: in words too
        made = _registry(json.dumps(record), "damaged", store, "pb212-dotamtate", "2026-11-30")
        joined(store, made.tables)
    except CatalogError as error:
        told = str(error)
    assert 10 < len(told) < 5000  # a value that is quoted is cut at 4000 characters
    assert "\0" not in told


@pytest.mark.parametrize(
    ("name", "text", "ids", "said"),
    [
        ("a.ris", "TY  - JOUR\nTI  - First\nPY  - 2020\nER  - \n\nTY  - JOUR\nTI  - Second\nPY  - 2021\n", 2, "no end (ER)"),
        ("a.ris", "TY  - JOUR\nTI  - First\nPY  - 2020\nER  - \n", 1, ""),
        ("a.bib", "@article{a, title={One}, year=2020}\n@article{b, title={Two, year=2020\n@article{c, title={Three}}", 2, "@article{b is not closed"),
    ],
)  # fmt: skip
def test_a_reference_that_is_cut_off_is_told(tmp_path, name, text, ids, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    made = imported(tmp_path / name, at.evidence(), today="2026-11-22")
    assert len(made.tables["source"]) == ids
    assert [said in t for t in made.told] == [True] * bool(said)


def test_a_name_without_a_meaning_and_a_zero_byte_are_refused(tmp_path):
    (tmp_path / "a.bib").write_text("@article{a, title={One}, journal=jnm}", encoding="utf-8")
    with pytest.raises(CatalogError, match="'jnm' stands without braces"):
        imported(tmp_path / "a.bib", at.evidence())
    (tmp_path / "b.bib").write_bytes(b"@article{a, title={One\0two}}")
    with pytest.raises(CatalogError, match="zero byte"):
        imported(tmp_path / "b.bib", at.evidence())
