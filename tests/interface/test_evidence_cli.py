"""`alphatwin evidence`: what it prints, writes and refuses."""

import json
import pathlib

import pytest

import alphatwin as at

DATA = pathlib.Path(__file__).parents[1] / "unit" / "data"
WIDTH = 80
HEAD = "id,cohort,extraction,name,numerator,denominator,denominator_type\n"


def lines_fit(text):
    return [line for line in text.splitlines() if len(line) > WIDTH]


@pytest.fixture(scope="module")
def stamp():
    return at.evidence().stamp


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("list",), ["ballal2020", "alphamedix02", "15/24", "41 studies"]),
        (("list", "Ac-225"), ["yadav2022", "4/8"]),
        (("show", "kratochwil2021"), ["8.4 mL/min", "reference 7", "Conflict 2", "2/39", "egfr"]),
        (("show", "alphamedix02_naive"), ["NCT05153772", "20/35", "54.3%", "Conflict 4"]),
        (("show", "ballal2020"), ["CORRECTED", "24/34", "63 (41-81)"]),
        (("conflicts",), ["16. '213Bi", "16 conflicts"]),
        (("conflicts", "Ra-223"), ["0 conflicts"]),
        (("gaps",), ["211At-MABG: any result"]),
        (("prisma",), ["records identified", "reports included"]),
        (("check",), ["24/34 is printed, and only 32", "25MBq/Kg", "85 kg", "rows hold together"]),
        (("query", "SELECT study, events, total FROM counts WHERE events > 300"), ["imhof2011", "378"]),
        (("query", "SELECT * FROM conflict WHERE number = 3"), ["title: ACTION-1"]),
        (("pool", "response"), ["binomial GLMM", "left out: ballal2020", "Moves the answer most", "Leaves no row: full text only", "Not pooled:"]),
        (("pool", "response", "--by", "radionuclide"), ["by radionuclide", "Pb-212", "51/105"]),
        (("pool", "kidney", "--agent", "Ac-225"), ["0 (0-14)", "exact, all patients in one", "CTCAE version unknown"]),
        (("pool", "response", "--agent", "Ac-225", "--prior", "exposed", "--confidence", "abstract"),
         ["demirci2023", "yadav2022", "47.1 %", "method: beta-binomial", "rows: everything read", "prior therapy known from seed only"]),
        (("pool", "response", "--agent", "bi213-dotatoc"), ["4/8", "50.0 %"]),
    ],
)  # fmt: skip
def test_prints_within_eighty_columns_with_release_and_day(alphatwin, stamp, command, words):
    said = alphatwin("evidence", *command)
    assert (said.code, said.err) == (0, "")
    flat = " ".join(said.out.split())
    for word in words:
        assert word in said.out or word in flat, word
    assert stamp in flat
    assert lines_fit(said.out) == []


@pytest.mark.parametrize("command", [("list",), ("show", "demirci2023"), ("conflicts",), ("gaps",), ("prisma",), ("check",), ("pool", "response"),
                                     ("query", "SELECT id, year FROM study")])  # fmt: skip
def test_json_carries_release_and_day(alphatwin, command):
    said = alphatwin("evidence", *command, "--json")
    data = json.loads(said.out)
    assert data["release"] == at.evidence().release
    assert data["as_of"] == at.evidence().as_of
    assert data["data"]


def test_json_of_a_pool_holds_every_row_with_its_source(alphatwin):
    data = json.loads(alphatwin("evidence", "pool", "response", "--json").out)["data"]
    assert len(data["rows"]) == 9
    for row in data["rows"]:
        assert {"citation", "locator", "status", "date", "url", "records", "events", "total", "how"} <= set(row)
    assert data["empty"] == ["full text only"]
    assert any(
        why.startswith("shares patients with vmt_anet_us_cohort2") for why in (x["why"] for x in data["left_out"])
    )
    assert data["moves"][0]["label"] == "abstract or closer"


def test_a_day_in_the_past(alphatwin):
    said = alphatwin("evidence", "pool", "response", "--as-of", "2024", "--agent", "Pb-212")
    assert "as of 2024-12-31" in said.out
    assert "alphamedix" not in said.out


def test_overlap_is_refused_or_forced_on_request(alphatwin):
    refused = alphatwin("evidence", "pool", "response", "--overlap", "refuse")
    assert refused.code == 2
    assert "vmt_anet_us (vmt_anet_us.1) and vmt_anet_us_cohort2 (vmt_anet_us.2)" in refused.err
    forced = alphatwin("evidence", "pool", "response", "--overlap", "force", "--json")
    assert len(json.loads(forced.out)["data"]["rows"]) == 10
    latest = alphatwin(
        "evidence", "pool", "response", "--leave-out", "vmt_anet_us", "--leave-out", "ballal2020", "--json"
    )
    assert {r["study"] for r in json.loads(latest.out)["data"]["rows"]}.isdisjoint({"vmt_anet_us", "ballal2020"})


def test_schema_is_json(alphatwin):
    assert "outcome" in json.loads(alphatwin("evidence", "schema").out)["properties"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("show", "balal2020"), "Did you mean ballal2020"),
        (("list", "Ac-252"), "Did you mean Ac-225"),
        (("pool", "toxicity"), "Name the outcome"),
        (("pool", "pfs"), "time to event"),
        (("pool", "response", "--confidence", "full_text"), "No row answers the question"),
        (("pool", "response", "--prior", "some"), "Known: naive"),
        (("pool", "response", "--overlap", "maybe"), "Known: largest"),
        (("pool", "response", "--method", "magic"), "magic"),
        (("pool", "response", "--by", "colour"), "Known: agent"),
        (("pool", "response", "--as-of", "soon"), "not a day"),
        (("pool", "response", "--agent", "bi213-dotatoc", "--method", "glmm"), "only study"),
        (("query", "DROP TABLE agent"), "only to read"),
        (("query", "SELECT * FROM nowhere"), "nowhere"),
        (("check", "no-such-folder"), "no folder"),
        (("import", "nothing.ris", "--to", "here"), "cannot be read"),
        (("import", "nothing.ris"), "--to"),
        (("list", "--extra", "no-such-folder"), "no folder"),
        ((), ""),
    ],
)
def test_refusals_are_one_message_and_exit_two(alphatwin, command, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = alphatwin("evidence", *command)
    assert said.code == 2
    assert told in said.err
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_import_then_use_then_import_again(alphatwin, tmp_path):
    mine = tmp_path / "mine"
    said = alphatwin("evidence", "import", DATA / "ctgov-v2.json", "--to", mine)
    assert said.code == 0
    assert "NA is no number" in " ".join(said.out.split())
    assert sorted(p.name for p in mine.iterdir()) == sorted(
        f"{t}.csv" for t in ("adverse_event", "cohort", "extraction", "outcome", "source", "study", "time_to_event")
    )
    shown = alphatwin("evidence", "show", "nct00000001", "--extra", mine)
    assert "20/35" in shown.out
    assert lines_fit(shown.out) == []
    before = {p.name: p.read_bytes() for p in mine.iterdir()}
    again = alphatwin("evidence", "import", DATA / "ctgov-v2.json", "--to", mine)
    assert again.code == 2
    assert "in the store already" in again.err
    assert {p.name: p.read_bytes() for p in mine.iterdir()} == before
    list_ = tmp_path / "found.ris"
    list_.write_text("TY  - JOUR\nTI  - A paper about something\nPY  - 2024\nER  -\n", encoding="utf-8")
    assert alphatwin("evidence", "import", list_, "--to", mine).code == 0
    flow = alphatwin("evidence", "prisma", "--extra", mine)
    assert "register 1" in flow.out
    rows = (mine / "source.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3
    assert rows[:2] == before["source.csv"].decode().splitlines()  # appended, nothing changed


def test_check_of_a_folder_names_the_row(alphatwin, tmp_path):
    (tmp_path / "outcome.csv").write_text(
        HEAD + "mine,demirci2023,demirci2023.2,objective_response,12,9,evaluable\n", encoding="utf-8"
    )
    said = alphatwin("evidence", "check", tmp_path)
    assert said.code == 2
    assert "outcome.csv, line 2 (mine)" in said.err
    assert "12 is above the denominator 9" in said.err


def test_export_and_read_back(alphatwin, tmp_path):
    folder = tmp_path / "tables"
    assert alphatwin("evidence", "export", folder).code == 0
    assert {p.suffix for p in folder.iterdir()} == {".parquet"}
    plain = tmp_path / "csv"
    assert alphatwin("evidence", "export", plain, "--csv").code == 0
    from alphatwin.evidence.reading import content_hash, read_folder

    assert content_hash(read_folder(plain)) == at.evidence().release
    blocked = alphatwin("evidence", "export", plain / "agent.csv")
    assert blocked.code == 2
    assert "is a file" in blocked.err


def test_help_names_every_command(alphatwin):
    text = alphatwin("evidence", "--help").out
    for name in (
        "list",
        "show",
        "conflicts",
        "gaps",
        "query",
        "check",
        "import",
        "export",
        "schema",
        "prisma",
        "pool",
        "forest",
    ):
        assert f" {name} " in text
    assert "evidence" in alphatwin("--help").out


def test_the_report_of_a_case_shows_the_studies_of_its_agent(example):
    report = example("ac225-dotatate-course", samples=200)
    found = report.summary()["evidence"]
    assert {line["study"] for line in found["lines"]} >= {"ballal2020", "yadav2022", "demirci2023"}
    assert found["release"] == at.evidence().release
    page = report.html()
    assert "Studies of this agent" in page
    assert "15/24, 63 % (41 to 81)" in page
    assert found["release"][:12] in page
    assert "Ballal 2023: response counts and survival" in page
    assert "120 kBq/kg or a fixed 10.2 MBq" in page
    other = example("snmmi-patient4", samples=200)
    assert other.course.agent == "lu177-dotatate"
    assert "netter1" in {line["study"] for line in other.summary()["evidence"]["lines"]}


def test_a_forest_plot_says_what_every_row_rests_on(alphatwin, tmp_path):
    said = alphatwin("evidence", "forest", "response", "-o", tmp_path / "forest")
    assert (said.code, said.err) == (0, "")
    assert sorted(p.name for p in (tmp_path / "forest").iterdir()) == ["forest.html", "forest.pdf"]
    page = (tmp_path / "forest" / "forest.html").read_text(encoding="utf-8")
    chosen = at.evidence().select("response", agent="alpha").without_overlap()
    from alphatwin.evidence.forest import anchor

    for row, source in zip(chosen, chosen.sources, strict=True):
        assert f'id="{anchor(row.id)}"' in page
        assert source.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;") in page
        assert row.status in source
        assert row.date in source
        assert row.locator in source
    assert at.evidence().release in page
    assert at.evidence().as_of in page
    refused = alphatwin("evidence", "forest", "response", "--confidence", "full_text", "-o", tmp_path / "none")
    assert refused.code == 2
    assert not (tmp_path / "none").exists()
    alone = alphatwin("evidence", "forest", "response", "--agent", "bi213-dotatoc", "--no-pdf", "-o", tmp_path / "one")
    assert alone.code == 0
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["forest.html"]
