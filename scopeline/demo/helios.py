"""The SEM of the demonstration's laboratory, a Helios dual beam, and what it writes into its pictures."""

from __future__ import annotations

from datetime import datetime

from scopeline.demo.writers.fei_tiff import BAR_HEIGHT, Sections

VOLTAGE = 5000.0
CURRENT = 5e-11  # A
WORKING_DISTANCE = 0.0041  # m
_SCREEN = 0.2072  # m: the width that magnifications refer to


def bar_text(field: float) -> str:
    """The text of the data bar for a field of `field` m in width."""
    return (
        f"HV {VOLTAGE / 1000:.2f} kV   curr {CURRENT * 1e12:.0f} pA   det TLD   mode SE   "
        f"WD {WORKING_DISTANCE * 1e3:.1f} mm   mag {_SCREEN / field:,.0f} x   HFW {field * 1e6:.2f} um"
    )


def metadata(when: datetime, size: tuple[int, int], pixel: float, operator: str, label: str) -> Sections:
    """The sections of tag 34682 for a picture of `size` (y, x) pixels of `pixel` m, scanned at `when` (local time)."""
    height, width = size
    dwell, line = 3e-6, 3e-6 * width * 1.12
    scan: dict[str, str | float | int] = {
        "InternalScan": "true",
        "Dwelltime": dwell,
        "PixelWidth": pixel,
        "PixelHeight": pixel,
        "HorFieldsize": width * pixel,
        "VerFieldsize": height * pixel,
        "Average": 0,
        "Integrate": 4,
        "FrameTime": line * height,
    }
    stage: dict[str, str | float | int] = {
        "StageX": 0.00213847,
        "StageY": -0.00061172,
        "StageZ": 0.00403,
        "StageR": 0.3491,
    }
    return {
        "User": {"Date": f"{when:%m/%d/%Y}", "Time": f"{when:%I:%M:%S %p}", "User": operator, "UserText": label},
        "System": {
            "Type": "DualBeam",
            "Dnumber": 9922607,
            "Software": "5.5.1.3318",
            "Source": "FEG",
            "Column": "Elstar",
            "FinalLens": "Elstar",
            "Stage": "6inch",
            "Pump": "TMP",
            "ESEM": "no",
            "EucWD": 0.004,
            "SystemType": "Helios NanoLab 660",
        },
        "Beam": {"HV": VOLTAGE, "Spot": 3, "ScanRotation": 0, "ImageMode": "Normal", "Beam": "EBeam", "Scan": "EScan"},
        "EBeam": {
            "Source": "FEG",
            "ColumnType": "Elstar",
            "FinalLens": "Elstar",
            "HV": VOLTAGE,
            "HFW": width * pixel,
            "VFW": height * pixel,
            "WD": WORKING_DISTANCE,
            "BeamCurrent": CURRENT,
            "ApertureDiameter": 3e-05,
            "ScanRotation": 0,
            "LensMode": "Immersion",
            **stage,
            "StageTa": 0.0,
            "StageTb": 0,
            "BeamMode": "N-Beam",
        },
        "Scan": scan,
        "EScan": {"Scan": "PIA 3.0", "Dwell": dwell, "LineTime": line, **scan},
        "Stage": {**stage, "StageT": 0.0, "StageTb": 0, "ActiveStage": "Bulk", "WorkingDistance": WORKING_DISTANCE},
        "Image": {
            "DigitalContrast": 1,
            "DigitalBrightness": 0,
            "DigitalGamma": 1,
            "Average": 0,
            "Integrate": 4,
            "ResolutionX": width,
            "ResolutionY": height,
            "DriftCorrected": "On",
            "MagCanvasRealWidth": _SCREEN,
        },
        "Vacuum": {"ChPressure": 0.000213, "UserMode": "High vacuum"},
        "Detectors": {"Number": 1, "Name": "TLD", "Mode": "SE"},
        "TLD": {"Contrast": 61.27, "Brightness": 44.1, "Signal": "SE", "Setting": 70},
        "PrivateFei": {
            "BitShift": 0,
            "DataBarSelected": "HV curr det mode WD mag HFW MicronBar",
            "TimeOfCreation": f"{when:%d.%m.%Y %H:%M:%S}",
            "DatabarHeight": BAR_HEIGHT,
        },
    }
