"""Velox's metadata as the demonstration's microscope fills it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scopeline.demo import titan

_DETECTORS = {"BF": (0.0, 0.0112), "DF2": (0.0131, 0.0236), "DF4": (0.0275, 0.0491), "HAADF": (0.0612, 0.2)}


def metadata(
    shot: titan.Acquisition, detector: str, used: tuple[str, ...], size: int, pixel: float, dwell: float
) -> dict[str, Any]:
    """Velox's metadata of one detector's picture: `size` x `size` pixels of `pixel` nm, `dwell` us each.

    Velox writes every value as text and in SI units.
    """
    stage, field = shot.stage, size * pixel * 1e-9
    line = dwell * 1e-6 * size + 65e-6
    return {
        "Core": {"MetadataDefinitionVersion": "7.9", "MetadataSchemaVersion": "v1/2013/07"},
        "Instrument": {
            "ControlSoftwareVersion": "2.9.1",
            "Manufacturer": "FEI Company",
            "InstrumentId": "3917",
            "InstrumentClass": "Titan",
            "InstrumentModel": titan.NAME,
            "ComputerName": "TITAN-THEMIS-PC",
        },
        "Acquisition": {
            "AcquisitionStartDatetime": {"DateTime": str(int(shot.when.timestamp()))},
            "AcquisitionDatetime": {"DateTime": "0"},
            "BeamType": "",
            "SourceType": "XFEG",
        },
        "Optics": {
            "GunLensSetting": "4",
            "ExtractorVoltage": "4100",
            "AccelerationVoltage": f"{titan.VOLTAGE:.0f}",
            "SpotIndex": "6",
            "BeamConvergence": f"{titan.CONVERGENCE * 1e-3:.6g}",
            "ScreenCurrent": f"{titan.PROBE_CURRENT * 1e-9:.6g}",
            "LastMeasuredScreenCurrent": f"{titan.PROBE_CURRENT * 1e-9:.6g}",
            "FullScanFieldOfView": {"x": f"{field:.9g}", "y": f"{field:.9g}"},
            "Defocus": "-2.1e-09",
            "StemFocus": "-2.1e-09",
            "OperatingMode": "2",
            "ProjectorMode": "1",
            "EFTEMOn": "false",
            "ObjectiveLensMode": "HM",
            "IlluminationMode": "Probe",
            "ProbeMode": "1",
            "CameraLength": "0.091",
            "Apertures": {
                "Aperture-0": {"Name": "C1", "Number": "1", "Type": "Circular", "Diameter": "0.002"},
                "Aperture-1": {"Name": "C2", "Number": "2", "Type": "Circular", "Diameter": "7e-05"},
            },
        },
        "Stage": {
            "Position": {"x": f"{stage.x * 1e-6:.9g}", "y": f"{stage.y * 1e-6:.9g}", "z": f"{stage.z * 1e-6:.9g}"},
            "AlphaTilt": f"{np.deg2rad(stage.alpha):.9g}",
            "BetaTilt": f"{np.deg2rad(stage.beta):.9g}",
            "HolderType": "FEI Double Tilt",
        },
        "Scan": {
            "ScanSize": {"width": str(size), "height": str(size)},
            "DwellTime": f"{dwell * 1e-6:.6g}",
            "LineTime": f"{line:.6g}",
            "FrameTime": f"{line * size:.6g}",
            "ScanArea": {"left": "0", "top": "0", "right": "1", "bottom": "1"},
            "MainsLockOn": "false",
            "ScanRotation": "0.21816615649929119",
        },
        "Vacuum": {"VacuumMode": "Ready"},
        "Detectors": {
            f"Detector-{index}": {
                "DetectorName": name,
                "DetectorType": "ScanningDetector",
                "Inserted": str(name in used).lower(),
                "Enabled": "true",
                "Gain": "24.38",
                "Offset": "-3.71",
                "CollectionAngleRange": {"begin": str(inner), "end": str(outer)},
            }
            for index, (name, (inner, outer)) in enumerate(_DETECTORS.items())
        },
        "BinaryResult": {
            "DetectorIndex": str(list(_DETECTORS).index(detector)),
            "Detector": detector,
            "PixelSize": {"width": f"{pixel * 1e-9:.9g}", "height": f"{pixel * 1e-9:.9g}"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "Offset": {"x": f"{-field / 2:.9g}", "y": f"{-field / 2:.9g}"},
            "ImageSize": {"width": str(size), "height": str(size)},
            "Encoding": "Unsigned",
            "BitsPerPixel": "16",
        },
        "Sample": "",
        "GasInjectionSystems": "",
        "CustomProperties": {
            "StemMagnification": {"type": "double", "value": f"{titan.stem_magnification(size * pixel):.0f}"},
            "MaxPossiblePixelValue": {"type": "double", "value": "65535"},
        },
    }
