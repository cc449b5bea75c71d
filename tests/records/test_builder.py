"""What a record says, element by element."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from scopeline.domain.files import Acquired, Axis, Dataset, DatasetType, File, FileStatus, Parameter, Preview
from scopeline.domain.records import Edit, Overlay
from scopeline.domain.sessions import EventKind, Person, Project, Reservation, Sample, SessionEvent, Stamp
from scopeline.records.builder import build_xml
from scopeline.records.inputs import RecordInputs
from scopeline.records.schema import check_record, load_schema

NX = {"n": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}
START = datetime(2018, 11, 13, 17, 0, tzinfo=UTC)

Make = Callable[..., Any]


def parse(inputs: RecordInputs) -> Any:
    xml = build_xml(inputs)
    check_record(xml)
    return etree.fromstring(xml)


def texts(root: Any, path: str) -> list[str]:
    return [element.text for element in root.findall(path, NX)]


def named(root: Any, path: str) -> dict[str, str]:
    return {element.get("name"): element.text for element in root.findall(path, NX)}


def notes(root: Any) -> list[tuple[str, list[str]]]:
    return [(n.get("source"), texts(n, "n:entry/n:p")) for n in root.findall("n:notes", NX)]


def edited(*edits: tuple[str, str, Any]) -> Overlay:
    return Overlay(
        session="20181113-titan-abcdef",
        edits=[Edit(target=t, field=f, value=v, who="Aronnax", at=START) for t, f, v in edits],
    )


def stamp(minutes: float) -> Stamp:
    moment = START + timedelta(minutes=minutes)
    return Stamp(at=moment, sent=moment, received=moment)


# ------------------------------------------------------------------------------------------------------- the session


def test_head_names_the_session_its_people_and_the_instrument(make_record: Make, make_file: Make) -> None:
    root = parse(make_record([make_file("a.dm3")]))
    assert root.get("pid") == "hdl:20.500/20181113-titan-abcdef"
    assert [child.tag.split("}")[1] for child in root] == [
        "title", "id", "summary", "sample", "acquisitionActivity", "notes",
    ]  # fmt: skip
    assert texts(root, "n:title") == ["Session on FEI Titan TEM, 13 November 2018"]
    assert texts(root, "n:id") == ["20181113-titan-abcdef"]
    assert texts(root, "n:summary/n:experimenter") == ["Ned Land"]
    assert texts(root, "n:summary/n:collaborator") == ["Conseil"]
    assert texts(root, "n:summary/n:motivation") == ["Grain boundaries"]
    assert root.find("n:summary/n:instrument", NX).get("pid") == "FEI-Titan-TEM"


def test_times_carry_the_instruments_offset(make_record: Make, make_file: Make) -> None:
    root = parse(make_record([make_file("a.dm3", minutes=61)]))
    assert texts(root, "n:summary/n:reservationStart") == ["2018-11-13T10:00:00-07:00"]
    assert texts(root, "n:summary/n:reservationEnd") == ["2018-11-13T15:00:00-07:00"]
    assert texts(root, "n:acquisitionActivity/n:startTime") == ["2018-11-13T11:01:00-07:00"]
    assert named(root, ".//n:meta")["Acquisition Time"] == "2018-11-13T11:01:00-07:00"


def test_reservation_gives_times_and_link(make_record: Make, make_file: Make) -> None:
    reservation = Reservation(
        id="204",
        source="nemo",
        start=START - timedelta(hours=1),
        end=START + timedelta(hours=8),
        ref="http://nemo.example/event details/204/?a=1&b=2",
    )
    root = parse(make_record([make_file("a.dm3")], reservation=reservation))
    assert texts(root, "n:summary/n:reservationStart") == ["2018-11-13T09:00:00-07:00"]
    assert root.find("n:summary", NX).get("ref") == "http://nemo.example/event%20details/204/?a=1&b=2"


def test_running_session_has_a_valid_record_without_an_end(make_record: Make) -> None:
    root = parse(make_record([], end=None))
    assert root.find("n:summary/n:reservationEnd", NX) is None
    assert root.find("n:acquisitionActivity", NX) is None


def test_samples_are_numbered_by_appearance_and_named_by_activities(make_record: Make, make_file: Make) -> None:
    change = SessionEvent(
        id="e2",
        kind=EventKind.SAMPLE,
        stamp=stamp(100),
        sample=Sample(name="STO reference", elements=["Sr", "Ti", "O", "Unobtainium"]),
        text="after lunch",
        person="Ned Land",
    )
    back = SessionEvent(id="e3", kind=EventKind.SAMPLE, stamp=stamp(200), sample=Sample(name="Lamella 3"))
    files = [make_file("a.dm3", 99), make_file("b.dm3", 101), make_file("c.dm3", 201)]
    root = parse(make_record(files, events=[back, change]))
    assert [(s.get("id"), texts(s, "n:name")) for s in root.findall("n:sample", NX)] == [
        ("sample-1", ["Lamella 3"]),
        ("sample-2", ["STO reference"]),
    ]
    assert texts(root, "n:acquisitionActivity/n:sampleID") == ["sample-1", "sample-2", "sample-1"]
    second = root.findall("n:sample", NX)[1]
    assert [e.tag.split("}")[1] for e in second.find("n:elements", NX)] == ["O", "Ti", "Sr"]
    assert texts(second, "n:description") == ["Elements as given: Unobtainium"]
    assert texts(second, "n:notes/n:entry/n:p") == ["13 November 2018, 11:40 (UTC-07:00)", "after lunch"]


def test_every_project_of_the_session_is_listed_once(make_record: Make) -> None:
    alpha, beta = Project(name="Alpha", id="A-1", ref="https://p.example/1"), Project(id="B-2")
    changes = [
        SessionEvent(id=f"e{n}", kind=EventKind.PROJECT, stamp=stamp(n), project=project)
        for n, project in enumerate([beta, alpha])
    ]
    root = parse(make_record([], project=alpha, events=changes))
    assert texts(root, "n:project/n:project_id") == ["A-1", "B-2"]
    assert texts(root, "n:project/n:ref") == ["https://p.example/1"]


def test_notes_say_when_and_who(make_record: Make) -> None:
    root = parse(make_record([]))
    assert notes(root) == [("Ned Land", ["13 November 2018, 10:52 (UTC-07:00)", "Drift,", "re-aligned"])]


# --------------------------------------------------------------------------------------------- activities and datasets


def test_what_all_datasets_share_is_setup_and_the_rest_is_meta(make_record: Make, make_file: Make) -> None:
    files = [make_file(f"{n}.dm3", n, {"Exposure Time": (n, "s"), "Detector": ("UltraScan", None)}) for n in (1, 2, 3)]
    root = parse(make_record(files))
    assert named(root, "n:acquisitionActivity/n:setup/n:param") == {
        "Activity": "TEM images",
        "Accelerating Voltage": "300",
        "Data Dimensions": "2048 × 2048",
        "Detector": "UltraScan",
        "Technique": "TEM",
    }
    voltage = root.find("n:acquisitionActivity/n:setup/n:param[@name='Accelerating Voltage']", NX)
    assert voltage.get("unit") == "kV"
    exposures = root.findall(".//n:meta[@name='Exposure Time']", NX)
    assert [(m.text, m.get("unit")) for m in exposures] == [("1", "s"), ("2", "s"), ("3", "s")]


def test_equal_values_in_different_units_are_not_shared(make_record: Make, make_file: Make) -> None:
    files = [make_file("a.dm3", 1, {"Spot": (3, "nm")}), make_file("b.dm3", 2, {"Spot": (3, None)})]
    assert "Spot" not in named(parse(make_record(files)), "n:acquisitionActivity/n:setup/n:param")


def test_unread_file_does_not_take_the_setup_from_its_activity(make_record: Make, make_file: Make) -> None:
    broken = make_file("b.dm3", 1.5, datasets=[], status=FileStatus.UNREADABLE, reason="The file is cut off.")
    root = parse(make_record([make_file("a.dm3", 1), broken, make_file("c.dm3", 2)]))
    assert len(root.findall("n:acquisitionActivity", NX)) == 1
    assert "Accelerating Voltage" in named(root, "n:acquisitionActivity/n:setup/n:param")


def test_several_datasets_of_one_file_share_its_location(make_record: Make, make_file: Make) -> None:
    file = make_file("scan 1 #2.emd")
    file.datasets = [file.datasets[0].model_copy(update={"index": n}) for n in range(3)]
    root = parse(make_record([file]))
    assert texts(root, ".//n:dataset/n:name") == [f"scan 1 #2.emd ({n} of 3)" for n in (1, 2, 3)]
    assert set(texts(root, ".//n:location")) == {f"/files/{file.id}/17/scan%201%20%232.emd"}
    assert texts(root, ".//n:preview") == [f"/files/{file.id}/17/{n}/preview" for n in range(3)]


@pytest.mark.parametrize("status", [FileStatus.UNREADABLE, FileStatus.UNSUPPORTED, FileStatus.FAILED])
def test_file_that_cannot_be_read_is_a_dataset_with_its_reason(
    status: FileStatus, make_record: Make, make_file: Make
) -> None:
    placeholder = Preview(object="x.png", width=256, height=256)
    file = make_file(
        "test_include.jpg", datasets=[], status=status, reason="58 bytes.", placeholder=placeholder, reader=None
    )
    dataset = parse(make_record([file])).find(".//n:dataset", NX)
    assert dataset.get("type") == "Unknown"
    assert texts(dataset, "n:description") == ["58 bytes."]
    assert texts(dataset, "n:format") == ["image/jpeg"]
    assert texts(dataset, "n:preview") == [f"/files/{file.id}/17/0/preview"]


def test_companions_are_no_datasets(make_record: Make, make_file: Make) -> None:
    emi = make_file("scan.emi", datasets=[], companion_of="scan_1.ser")
    assert texts(parse(make_record([emi, make_file("scan_1.ser")])), ".//n:dataset/n:name") == ["scan_1.ser"]


def test_files_that_never_arrived_or_are_gone_are_named_in_notes(make_record: Make, make_file: Make) -> None:
    missing = [
        make_file(f"lost{n:02}.dm3", datasets=[], generation=None, status=FileStatus.ANNOUNCED) for n in range(22)
    ]
    gone = make_file("gone.dm3", datasets=[], generation=None, status=FileStatus.DELETED)
    written = [
        paragraphs for source, paragraphs in notes(parse(make_record([*missing, gone]))) if source == "Scopeline"
    ]
    assert written[0][0].startswith("22 announced files never arrived: lost00.dm3, lost01.dm3, ")
    assert written[0][0].endswith(" and 2 more.")
    assert written[1] == ["1 file deleted before the record was made: gone.dm3."]


def test_doubtful_parameter_is_marked_and_its_reason_told(make_record: Make, make_file: Make) -> None:
    file = make_file("a.dm3", 1)
    file.datasets[0].parameters["Camera Length"] = Parameter(value=-1.0, unit="mm", warning="-1 mm cannot be")
    other = make_file("b.dm3", 2)
    root = parse(make_record([file, other]))
    marked = root.findall(".//n:meta[@warning='true']", NX)
    assert [(m.get("name"), m.text) for m in marked] == [("Camera Length", "-1")]
    assert texts(root, ".//n:dataset/n:description") == ["Camera Length: -1 mm cannot be"]


def test_doubt_that_all_share_is_told_once(make_record: Make, make_file: Make) -> None:
    files = [make_file(f"{n}.dm3", n) for n in range(3)]
    for file in files:
        file.datasets[0].parameters["Magnification"] = Parameter(value=0, warning="0 cannot be")
    root = parse(make_record(files))
    assert texts(root, "n:acquisitionActivity/n:notes/n:entry/n:p") == ["Magnification: 0 cannot be"]
    assert not texts(root, ".//n:dataset/n:description")


# -------------------------------------------------------------------------------------------------------------- times


def test_time_outside_the_session_is_a_warning_and_the_files_time_orders(make_record: Make, make_file: Make) -> None:
    old = make_file("old.dm3", 90)
    old.datasets[0].acquired = Acquired(value=START - timedelta(days=2000), source="local")
    root = parse(make_record([make_file("a.dm3", 60), old, make_file("z.dm3", 120)]))
    assert texts(root, ".//n:dataset/n:name") == ["a.dm3", "old.dm3", "z.dm3"]
    warned = root.find(".//n:meta[@warning='true']", NX)
    assert (warned.get("name"), warned.text[:4]) == ("Acquisition Time", "2013")
    assert len(texts(root, ".//n:dataset/n:description")) == 1


def test_clock_of_the_instrument_may_be_wrong_by_minutes_but_not_by_an_hour(make_record: Make, make_file: Make) -> None:
    root = parse(make_record([make_file("a.dm3", -20), make_file("b.dm3", 60), make_file("c.dm3", 361)]))
    assert [d.findtext("n:name", None, NX) for d in root.findall(".//n:dataset[n:description]", NX)] == ["c.dm3"]


def test_where_most_times_are_outside_there_is_one_note_instead(make_record: Make, make_file: Make) -> None:
    files = [make_file(f"{n}.dm3", n) for n in range(5)]
    for file in files[:4]:
        file.datasets[0].acquired = Acquired(value=START - timedelta(days=2000), source="local")
    root = parse(make_record(files))
    assert not texts(root, ".//n:dataset/n:description")
    assert [p for source, p in notes(root) if source == "Scopeline"] == [
        [
            "4 of the 5 files that say when they were acquired name a time outside the session. "
            "The order and the activities therefore follow the times at which the files were saved."
        ]
    ]  # fmt: skip


def test_dataset_without_a_time_is_ordered_by_its_file(make_record: Make, make_file: Make) -> None:
    timeless = make_file("m.dm3", 90)
    timeless.datasets[0].acquired = None
    names = texts(parse(make_record([make_file("a.dm3", 91), timeless, make_file("z.dm3", 89)])), ".//n:dataset/n:name")
    assert names == ["z.dm3", "m.dm3", "a.dm3"]


# -------------------------------------------------------------------------------------------------------------- edits


def test_edits_change_what_the_record_says_and_not_who_did_it(make_record: Make, make_file: Make) -> None:
    file = make_file("a.dm3")
    target = f"{file.id}.0"
    overlay = edited(
        ("session", "title", "Twin boundaries"),
        ("session", "notes", "Published in 2019."),
        (target, "role", "UserCalibration"),
        (target, "type", "Diffraction"),
        (target, "description", "The good one"),
        (target, "rating", 3),
        (target, "rating", 5),
        (target, "featured", True),
    )
    inputs = make_record([file], overlay)
    root = parse(inputs)
    dataset = root.find(".//n:dataset", NX)
    assert texts(root, "n:title") == ["Twin boundaries"]
    assert (dataset.get("role"), dataset.get("type")) == ("UserCalibration", "Diffraction")
    assert named(dataset, "n:meta")["Description"] == "The good one"
    assert texts(dataset, "n:curation/*") == ["5", "true"]
    assert ("Added to the record", ["Published in 2019."]) in notes(root)
    assert b"Aronnax" not in build_xml(inputs)


def test_null_takes_an_edit_back(make_record: Make, make_file: Make) -> None:
    overlay = edited(("session", "title", "Wrong"), ("session", "title", None))
    assert make_record([make_file("a.dm3")], overlay).digest() == make_record([make_file("a.dm3")]).digest()


def test_hidden_dataset_is_left_out_and_counted(make_record: Make, make_file: Make) -> None:
    a, b = make_file("a.dm3", 1), make_file("b.dm3", 2)
    root = parse(make_record([a, b], edited((f"{a.id}.0", "hidden", True))))
    assert texts(root, ".//n:dataset/n:name") == ["b.dm3"]
    assert ("Scopeline", ["1 dataset hidden by people."]) in notes(root)


def test_dataset_moves_to_the_activity_of_another(make_record: Make, make_file: Make) -> None:
    a, b, c = make_file("a.dm3", 1), make_file("b.dm3", 2), make_file("c.dm3", 200)
    overlay = edited((f"{b.id}.0", "activity", f"{c.id}.0"))
    activities = parse(make_record([a, b, c], overlay)).findall("n:acquisitionActivity", NX)
    assert [texts(activity, "n:dataset/n:name") for activity in activities] == [["a.dm3"], ["b.dm3", "c.dm3"]]
    everything_to_one = edited((f"{c.id}.0", "activity", f"{a.id}.0"))
    assert len(parse(make_record([a, b, c], everything_to_one)).findall("n:acquisitionActivity", NX)) == 1


def test_edit_that_no_record_can_show_is_told(make_record: Make, make_file: Make) -> None:
    file = make_file("a.dm3")
    root = parse(make_record([file], edited((f"{file.id}.0", "rating", 9), (f"{file.id}.0", "type", "Cake"))))
    told = [p[0] for source, p in notes(root) if source == "Scopeline"]
    assert len(told) == 2
    assert "has the value '9'. Expected a whole number from 1 to 5" in told[0]


# ---------------------------------------------------------------------------------------------------- the same bytes


def test_order_of_files_and_parameters_does_not_matter(make_record: Make, make_file: Make) -> None:
    parameters = {f"P{n}": (n, "nm") for n in range(9)}
    files = [make_file(f"{n}.dm3", n % 3, parameters) for n in range(20)]
    expected = build_xml(make_record(files))
    shuffled = [
        file.model_copy(
            update={
                "datasets": [
                    d.model_copy(update={"parameters": dict(reversed(d.parameters.items()))}) for d in file.datasets
                ]
            }
        )
        for file in files
    ]
    random.Random(0).shuffle(shuffled)
    again = make_record(shuffled)
    assert build_xml(again) == expected
    assert again.digest() == make_record(files).digest()


NASTY = st.text(
    alphabet=st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from("\x00\x0b\x1b\x7f\x85\r\n\t\ufffe\uffff\u2028\u200d<>&\"'😀%#[]: "),
    ),
    max_size=40,
)
NASTY_NAME = NASTY.filter(bool)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_text_anywhere_makes_a_valid_record(
    data: st.DataObject, make_record: Make, make_file: Make, reference_schema: etree.XMLSchema | None
) -> None:
    draw = data.draw
    parameter = st.builds(
        Parameter,
        value=st.one_of(NASTY, st.integers(), st.floats(), st.booleans()),
        unit=st.none() | NASTY,
        warning=st.none() | NASTY,
    )
    file = make_file(
        "a.dm3",
        draw(st.floats(0, 300)),
        path=draw(NASTY_NAME),
        reader=draw(NASTY),
        warnings=draw(st.lists(NASTY, max_size=2)),
        datasets=[
            Dataset(
                index=0,
                type=draw(st.sampled_from(DatasetType)),
                title=draw(NASTY),
                technique=draw(NASTY),
                axes=[Axis(name="x", size=1)],
                acquired=draw(
                    st.none()
                    | st.builds(
                        Acquired, value=st.datetimes(timezones=st.just(UTC)), source=st.sampled_from(["utc", "file"])
                    )
                ),
                parameters=draw(st.dictionaries(NASTY, parameter, max_size=4)),
                warnings=draw(st.lists(NASTY, max_size=2)),
            )
        ],
    )
    unread = make_file(
        "b", path=draw(NASTY_NAME), datasets=[], status=FileStatus.UNREADABLE, reason=draw(NASTY), generation=3
    )
    lost = make_file("c", path=draw(NASTY_NAME), datasets=[], status=FileStatus.ANNOUNCED, generation=None)
    overlay = edited(
        ("session", "title", draw(NASTY)),
        ("session", "notes", draw(NASTY)),
        (f"{file.id}.0", "name", draw(NASTY)),
        (f"{file.id}.0", "description", draw(NASTY)),
        (f"{file.id}.0", draw(NASTY), draw(st.one_of(NASTY, st.integers(), st.floats()))),
        (f"{unread.id}.0", "rating", draw(st.integers())),
    )
    inputs = make_record(
        [file, unread, lost],
        overlay,
        title=draw(NASTY),
        motivation=draw(NASTY),
        people=[Person(person=draw(NASTY_NAME)), Person(person=draw(NASTY_NAME), role="staff")],
        samples=[Sample(name=draw(NASTY_NAME), description=draw(NASTY), elements=[draw(NASTY), "Ni"])],
        project=Project(name=draw(NASTY), id=draw(NASTY), division=draw(NASTY), group=draw(NASTY), ref=draw(NASTY)),
        reservation=draw(
            st.none()
            | st.builds(Reservation, id=NASTY, source=NASTY, start=st.just(START), end=st.just(START), ref=NASTY)
        ),
        events=[SessionEvent(id="e", kind=EventKind.NOTE, stamp=stamp(1), person=draw(NASTY), text=draw(NASTY))],
    )
    xml = build_xml(inputs)
    check_record(xml)
    tree = etree.fromstring(xml)
    if reference_schema is not None:
        reference_schema.assertValid(tree)
    assert build_xml(inputs) == xml
    # Read back, the text is the same but for white space and characters that XML has not, which are replaced visibly.
    motivation = tree.findtext("n:summary/n:motivation", "", NX)
    original = (inputs.motivation or "").replace("\r\n", "\n").replace("\r", "\n")
    assert len(motivation) == len(original)
    assert all(a == b or a == "\ufffd" for a, b in zip(motivation, original, strict=True))


@pytest.fixture(scope="module")
def reference_schema(request: pytest.FixtureRequest) -> etree.XMLSchema:
    """The Nexus Experiment schema as it was published."""
    shared: Path = request.getfixturevalue("shared_data")
    return etree.XMLSchema(file=str(shared / "schema" / "nexus-experiment.xsd"))


def test_projects_schema_accepts_records_of_the_other_system(titan_example_record: Path) -> None:
    for name in ("example_record.xml", "example_record_large.xml"):
        load_schema().assertValid(etree.parse(titan_example_record.with_name(name)))


def test_lone_surrogates_and_endless_values_are_replaced_visibly(make_record: Make, make_file: Make) -> None:
    inputs = make_record(
        [make_file("a.dm3", 1, {"Comment": ("x" * 100_000, None), "Odd": ("a\ud800b", None)})], motivation="y" * 50_000
    )
    root = parse(inputs)
    values = named(root, "n:acquisitionActivity/n:setup/n:param")
    assert values["Comment"].endswith("x…")
    assert len(values["Comment"]) == 1000
    assert values["Odd"] == "a\ufffdb"
    assert len(inputs.digest()) == 64
    assert len(root.findtext("n:summary/n:motivation", None, NX)) == 10_000


def _titan_file(folder: Path, path: Path, make_file: Make) -> File:
    """The file as ingest would know it, with the facts of its format that matter here."""
    name = path.name
    minutes = (datetime.fromtimestamp(path.stat().st_mtime, UTC) - START).total_seconds() / 60
    if name.startswith("test_include"):
        return make_file(name, minutes, datasets=[], status=FileStatus.UNSUPPORTED, reason="58 bytes of text.")
    if path.suffix in (".emi", ".hdr"):
        return make_file(name, minutes, datasets=[], companion_of="another")
    technique = {".dm3": "TEM", ".ser": "STEM"}.get(path.suffix, "SEM")
    magnification = 13_000 if minutes < 80 else 8_100
    file = make_file(name, minutes, {"Magnification": (magnification, None)} if technique == "TEM" else None)
    for dataset in file.datasets:
        dataset.technique = technique
        dataset.parameters["Operation Mode"] = Parameter(value=technique)
    assert isinstance(file, File)
    return file


def test_titan_session_has_every_file_and_sensible_activities(
    titan_session: Path, make_record: Make, make_file: Make, reference_schema: etree.XMLSchema
) -> None:
    paths = [path for path in sorted(titan_session.iterdir()) if path.suffix != ".db"]
    files = [_titan_file(titan_session, path, make_file) for path in paths]
    root = parse(make_record(files))
    reference_schema.assertValid(root)
    activities = [texts(activity, "n:dataset/n:name") for activity in root.findall("n:acquisitionActivity", NX)]
    assert [f"image_00{n}.dm3" for n in (1, 2, 3, 4)] in [
        [n for n in names if n.endswith(".dm3")] for names in activities
    ]
    assert ["scan_001_1.ser", "scan_001_2.ser"] in activities
    assert sorted(name for names in activities for name in names) == sorted(
        path.name for path in paths if path.suffix not in (".emi", ".hdr")
    )
