"""Every shared microscope file is read, or answered with a reason."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from scopeline.demo.writers import dm4, rosetta
from scopeline.domain.files import FileStatus
from scopeline.formats.extract import extract_file, read_signals
from scopeline.formats.results import Extracted, ExtractRequest, Unreadable

TABLE = Path(__file__).with_name("shared_files.txt")
CALIBRATIONS = ("Pixel Size", "Reciprocal Pixel Size", "Energy Dispersion", "Step Size")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    file: str
    answer: str
    columns: tuple[str, ...]


def rows() -> list[Row]:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    split = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return [Row(cells[0], cells[1], tuple(cells[2:])) for cells in split]


def located(shared_data: Path, file: str, folder: Path) -> Path:
    """The file on disk; a member of an archive is unpacked, with its neighbours."""
    archive, _, member = file.partition("!")
    if not member:
        return shared_data / archive
    source = shared_data / archive
    if source.suffix == ".gz":
        (folder / member).write_bytes(gzip.decompress(source.read_bytes()))
        return folder / member
    with zipfile.ZipFile(source) as opened:
        for name in opened.namelist():
            if Path(name).stem == Path(member).stem:
                opened.extract(name, folder)
    return next(folder.rglob(glob_literal(member)))


def glob_literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def extract(path: Path, **settings: object) -> Extracted:
    request = ExtractRequest.model_validate({"folder": path.parent, "file_name": path.name, **settings})
    return extract_file(request)


def summary(result: Extracted) -> tuple[str, tuple[str, ...]]:
    """The result in the form of the table."""
    if result.companion_of is not None:
        return f"companion of {result.companion_of}", ()
    if result.status is not FileStatus.EXTRACTED:
        return f"{result.status}: {result.reason}", ()
    datasets = "; ".join(f"{d.type}/{d.technique or '-'}/{'x'.join(map(str, d.shape))}" for d in result.datasets)
    last = result.datasets[-1]
    assert last.acquired is not None
    when = (
        "file" if last.acquired.source == "file" else f"{last.acquired.source} {last.acquired.value:%Y-%m-%dT%H:%M:%S}"
    )
    voltage = last.parameters.get("Accelerating Voltage")
    calibration = next((f"{n} {last.parameters[n].value}" for n in CALIBRATIONS if n in last.parameters), "-")
    return str(result.reader), (datasets, when, str(voltage.value) if voltage else "-", calibration)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.file)
def test_a_shared_file_is_read_as_the_table_says(row: Row, shared_data: Path, tmp_path: Path) -> None:
    path = located(shared_data, row.file, tmp_path)
    result = extract(path, zone="Europe/Berlin")
    assert summary(result) == (row.answer, row.columns)


def test_the_table_has_every_shared_file(shared_data: Path) -> None:
    listed = {row.file for row in rows()}
    there = {
        path.relative_to(shared_data).as_posix()
        for kind in ("formats", "images")
        for path in shared_data.glob(f"{kind}/*/*")
    }
    assert there <= listed


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.file)
def test_a_result_is_json_with_bounded_metadata(row: Row, shared_data: Path, tmp_path: Path) -> None:
    result = extract(located(shared_data, row.file, tmp_path))
    text = json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert Extracted.model_validate_json(text).datasets == result.datasets
    assert len(text) < 4_000_000
    assert len(result.metadata) == len(result.datasets)


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
def server_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_times_do_not_depend_on_the_zone_of_the_server(server_zone: str, shared_data: Path) -> None:
    for row in rows():
        if "!" in row.file or not row.columns or row.columns[1] == "file":
            continue
        result = extract(shared_data / row.file, zone="Europe/Berlin")
        assert summary(result) == (row.answer, row.columns), f"{row.file} under TZ={server_zone}"


def test_the_file_time_is_the_one_that_was_told(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Sample B looks better")
    told = extract(tmp_path / "note.txt", mtime="2020-01-02T03:04:05+01:00").datasets[0].acquired
    assert told is not None
    assert (told.source, told.value.isoformat()) == ("file", "2020-01-02T02:04:05+00:00")


def test_a_text_file_is_a_note_with_its_first_line_as_title(tmp_path: Path) -> None:
    (tmp_path / "day 1.txt").write_text("\n  Grid 3, square B4 \nthick ice\n")
    result = extract(tmp_path / "day 1.txt")
    assert result.datasets[0].title == "day 1: Grid 3, square B4"
    assert result.metadata[0]["text"].endswith("thick ice\n")


def test_several_signals_of_one_file_are_several_datasets(tmp_path: Path) -> None:
    import numpy as np
    from rsciio import nexus

    def signal(title: str, shape: tuple[int, ...]) -> dict[str, object]:
        axes = [
            {
                "name": n,
                "size": s,
                "scale": 0.5,
                "offset": 0.0,
                "units": "nm",
                "navigate": False,
                "index_in_array": i,
                "_type": "UniformDataAxis",
            }
            for i, (n, s) in enumerate(zip("yx", shape, strict=True))
        ]
        return {
            "data": np.arange(np.prod(shape), dtype="uint16").reshape(shape),
            "axes": axes,
            "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
            "original_metadata": {},
            "learning_results": {},
            "attributes": {"_lazy": False},
            "package": "",
            "package_version": "",
            "tmp_parameters": {},
        }

    nexus.file_writer(str(tmp_path / "both.nxs"), [signal("survey", (4, 5)), signal("detail", (8, 6))])
    result = extract(tmp_path / "both.nxs")
    assert sorted((d.title, tuple(d.shape), d.axes[1].unit) for d in result.datasets) == [
        ("detail", (8, 6), "nm"),
        ("survey", (4, 5), "nm"),
    ]
    assert [d.index for d in result.datasets] == [0, 1]


def test_an_override_of_the_instrument_replaces_a_parameter(shared_data: Path) -> None:
    path = shared_data / "formats" / "digitalmicrograph" / "test-1.dm3"
    given = {"Accelerating Voltage": 80, "Drift Corrector": {"value": "on"}}
    parameters = extract(path, overrides=given).datasets[0].parameters
    voltage = parameters["Accelerating Voltage"]
    assert (voltage.value, voltage.unit, voltage.origin) == (80, "kV", "instrument settings")
    assert parameters["Drift Corrector"].value == "on"


def test_signals_can_be_read_with_their_data(shared_data: Path) -> None:
    import numpy as np

    import scopeline

    path = shared_data / "images" / "sto_haadf" / "16_STOimage_1.ser"
    (signal,) = scopeline.read(path)
    assert np.asarray(signal.data).shape == (1024, 1024)
    assert signal.parameters["Pixel Size"].unit == "nm"


def test_reading_signals_of_a_bad_file_raises_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.dm3").write_bytes(b"")
    with pytest.raises(Unreadable, match="empty"):
        read_signals(ExtractRequest(folder=tmp_path, file_name="a.dm3"))


def test_nothing_is_printed(shared_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("renishaw/renishaw_test_spectrum.wdf", "tvips/test_tvips_2233_000.tvips", "bruker/bruker_nano.spx"):
        extract(shared_data / "formats" / name)
    shutil.copy(shared_data / "formats/quantumdetector/Merlin_Single_Quad.zip", tmp_path / "x.mib")
    extract(tmp_path / "x.mib")
    assert capfd.readouterr() == ("", "")


def test_letters_beyond_sixteen_bits_do_not_cost_the_file(tmp_path: Path) -> None:
    pixels = dm4.pixels_of(np.zeros((8, 8), "uint16"))
    axes = [dm4.Dimension(8, 1.0, "nm"), dm4.Dimension(8, 1.0, "nm")]
    tags = {"Session Info": {"Specimen": "𝛼-Fe 🔬"}}
    dm4.write(tmp_path / "a.dm4", dm4.image_document("title 🔬", axes, pixels, tags))
    result = Extracted.model_validate_json(extract(tmp_path / "a.dm4").model_dump_json())
    assert result.datasets[0].title == "title 🔬"
    assert result.datasets[0].parameters["Specimen"].value == "𝛼-Fe 🔬"
    assert "𝛼-Fe 🔬" in str(result.metadata)


@pytest.mark.parametrize(
    ("mode", "parameter"),
    [
        ("STEM", ("Illumination Mode", "STEM")), ("DIFFR", ("Imaging Mode", "DIFFRACTION")),
        ("SCIMG", ("Operation Mode", "SCANNING")),
    ],
)  # fmt: skip
def test_the_mode_of_an_exchanged_spectrum_has_its_proper_name(
    mode: str, parameter: tuple[str, str], tmp_path: Path
) -> None:
    energy = rosetta.axis("Energy loss", 64, 0.5, 0.0, "eV", navigate=False)
    header = {"FORMAT": "EMSA/MAS Spectral Data File", "VERSION": "1.0", "TITLE": "a", "SIGNALTYPE": "ELS"}
    rosetta.write_msa(tmp_path / "a.msa", np.arange(64.0), energy, {**header, "OPERMODE": mode})
    found = extract(tmp_path / "a.msa").datasets[0].parameters
    modes = {name: p.value for name, p in found.items() if name.endswith("Mode")}
    assert modes == {parameter[0]: parameter[1]}


def test_the_axes_of_an_image_without_names_are_y_and_x(shared_data: Path) -> None:
    (dataset,) = extract(shared_data / "images/hspy/stem_abf_data.hspy").datasets
    assert [axis.name for axis in dataset.axes] == ["y", "x"]


def test_the_stage_of_a_berkeley_file_is_in_micrometres_and_degrees(shared_data: Path) -> None:
    result = extract(shared_data / "images/velox/Acquisition_18.emd")
    stage = {n: (p.value, p.unit) for n, p in result.datasets[0].parameters.items() if n.startswith("Stage")}
    assert stage == {
        "Stage X": (-41.923, "µm"), "Stage Y": (26.239, "µm"), "Stage Z": (43.347, "µm"),
        "Stage Alpha": (-5.645, "°"), "Stage Beta": (61.963, "°"),
    }  # fmt: skip
    assert result.metadata[0]["stage"]["type"] == "NCEM TEAM Stage"


def test_notes_are_shown_as_a_page_of_their_text(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Sample B\n" * 40)
    (dataset,) = extract(tmp_path / "note.txt", preview_dir=tmp_path).datasets
    assert dataset.preview is not None
    assert dataset.preview.caption == "The first of 40 lines"
