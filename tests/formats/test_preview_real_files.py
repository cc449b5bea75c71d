"""Pictures of real measurements: each dataset has one, with the right scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scopeline.domain.files import FileStatus
from scopeline.formats.extract import extract_file
from scopeline.formats.results import Extracted, ExtractRequest


def extracted(file: Path, previews: Path) -> Extracted:
    return extract_file(ExtractRequest(folder=file.parent, file_name=file.name, preview_dir=previews))


@pytest.mark.parametrize("folder", ["carbon_film", "eds_tilt_series", "eels_si", "hspy", "sto_haadf", "velox"])
def test_every_dataset_has_a_picture(shared_data: Path, tmp_path: Path, folder: str) -> None:
    for file in sorted((shared_data / "images" / folder).iterdir()):
        result = extracted(file, tmp_path)
        assert result.status is FileStatus.EXTRACTED
        assert result.datasets or result.companion_of
        for dataset in result.datasets:
            assert dataset.preview is not None
            assert not any("no preview" in warning for warning in dataset.warnings)
            with Image.open(tmp_path / dataset.preview.object) as picture:
                assert picture.size == (dataset.preview.width, dataset.preview.height)
                assert max(picture.size) <= 1024


def test_the_bar_on_atomic_columns_is_two_nanometres_long(shared_data: Path, tmp_path: Path) -> None:
    result = extracted(shared_data / "images" / "sto_haadf" / "16_STOimage_1.ser", tmp_path)
    assert result.datasets[0].axes[1].scale == pytest.approx(0.0100127, rel=1e-4)  # nm for each of the 1,024 pixels
    with Image.open(tmp_path / "0.png") as picture:
        rows = np.asarray(picture.convert("L"))[900:, :400] == 232
    longest = max(int(row.sum()) for row in rows)
    assert longest == 200


def test_the_spectrum_image_of_a_particle_says_what_was_summed(shared_data: Path, tmp_path: Path) -> None:
    result = extracted(shared_data / "images" / "eds_tilt_series" / "0.bcf", tmp_path)
    caption = result.datasets[1].preview.caption if result.datasets[1].preview else None
    assert caption == (
        "Map: Fe Kα, Pt Mα, O Kα (red, green, blue), smoothed by a Gaussian of 1.6 pixels. "
        "Spectrum: sum of 65,536 spectra; zero peak cut off"
    )
