"""The settings that FEI's software writes as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scopeline.formats import tecnai
from scopeline.formats.vocabulary import Parameters

TEXT = "\u2028".join([
    "Microscope Titan 300 kV ABCD1 SuperTwin", "User USER",
    "Gun FEG HT 300 Extr volt 4400 V Gun Lens 3 Emission 132.0uA",
    "Mode TEM uP SA Zoom Image Defocus (um) -0.250 Magn 8100x", "Spot 2", "C2 44.044%", "Obj 87.685%", "Dif -37.441%",
    "Image shift 0.100/-0.200um", "Stage -186.545 um, -133.088 um, 107.164 um, -0.84 deg, 0.00 deg",
    "C1 Aperture: 2000 um", "OBJ Aperture: retracted", "Filter related settings:", "Mode: Spectroscopy",
    "Slit width: 1.00[eV]", "Selected aperture: 2.5 mm", "Selected dispersion: 0.10[eV/Channel]", "", "",
])  # fmt: skip


def parameters(text: str) -> dict[str, object]:
    found = Parameters()
    tecnai.add_parameters(found, tecnai.lines_of_gatan_text(text), origin="tag")
    return {name: (p.value, p.unit) if p.unit else p.value for name, p in found.values.items()}


def test_every_line_of_the_text_becomes_parameters() -> None:
    assert parameters(TEXT) == {
        "Microscope": "Titan 300 kV ABCD1 SuperTwin", "Operator": "USER", "Gun Type": "FEG HT 300",
        "Extraction Voltage": (4400, "V"), "Gun Lens": 3, "Emission Current": (132, "µA"),
        "Tecnai Mode": "TEM uP SA Zoom Image", "Defocus": (-250, "nm"), "Magnification": 8100, "Spot Size": 2,
        "C2 Lens": (44.044, "%"), "Objective Lens": (87.685, "%"), "Diffraction Lens": (-37.441, "%"),
        "Image Shift X": (0.1, "µm"), "Image Shift Y": (-0.2, "µm"), "Stage X": (-186.545, "µm"),
        "Stage Y": (-133.088, "µm"), "Stage Z": (107.164, "µm"), "Stage Alpha": (-0.84, "°"), "Stage Beta": (0, "°"),
        "C1 Aperture": (2000, "µm"), "Objective Aperture": "retracted", "Filter Mode": "Spectroscopy",
        "Filter Slit Width": (1, "eV"), "Filter Aperture": (2.5, "mm"), "Filter Dispersion": (0.1, "eV/ch"),
    }  # fmt: skip


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    parameters(text)
    parameters(TEXT[:80] + text)
