"""Previews beside the metadata; a picture that fails costs the picture only."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
from PIL import Image

from scopeline.domain.files import FileStatus
from scopeline.formats import preview
from scopeline.formats.extract import extract_file
from scopeline.formats.results import Extracted, ExtractRequest


def extract(path: Path, folder: Path) -> Extracted:
    return extract_file(ExtractRequest(folder=path.parent, file_name=path.name, preview_dir=folder))


def test_every_dataset_has_a_picture(shared_data: Path, tmp_path: Path) -> None:
    result = extract(shared_data / "images/velox/STEM HAADF-DF4-DF2-BF Diffraction Micro.emd", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png", "2.png", "3.png"]
    for dataset in result.datasets:
        assert dataset.preview is not None
        with Image.open(tmp_path / dataset.preview.object) as picture:
            assert picture.size == (dataset.preview.width, dataset.preview.height)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("formats/tia/no_AcquireDate.emi", FileStatus.EXTRACTED),
        ("formats/pantarhei/panta_rhei_sample.prz", "unreadable"),
    ],
)
def test_a_file_without_datasets_has_a_placeholder(name: str, status: str, shared_data: Path, tmp_path: Path) -> None:
    result = extract(shared_data / name, tmp_path)
    assert result.status == status
    assert result.placeholder is not None
    assert [path.name for path in tmp_path.iterdir()] == ["placeholder.png"]


def test_pixels_that_cannot_be_decoded_do_not_cost_the_metadata(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "hurt.hspy"
    path.write_bytes((shared_data / "images/hspy/stem_abf_data.hspy").read_bytes())
    intact = extract_file(ExtractRequest(folder=tmp_path, file_name=path.name))
    with h5py.File(path) as file:
        data = next(group["data"] for group in file["Experiments"].values())
        chunk = data.id.get_chunk_info(0)
    with path.open("r+b") as raw:  # the first compressed block of pixels becomes zeros
        raw.seek(chunk.byte_offset)
        raw.write(bytes(chunk.size))
    folder = tmp_path / "previews"
    folder.mkdir()
    (dataset,) = extract(path, folder).datasets
    assert dataset.parameters == intact.datasets[0].parameters
    assert "There is no preview: the data cannot be read" in dataset.warnings[-1]
    assert dataset.preview is not None
    assert (folder / dataset.preview.object).is_file()


def test_a_full_disk_is_not_the_files_fault(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preview.Picture, "save", full)
    with pytest.raises(OSError, match="No space left"):
        extract(shared_data / "formats/image/jpg_no_exif_tags.jpg", tmp_path)
