"""The demonstration's session: two samples on a Titan, which files come in which order, and what is said between."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from scopeline.demo import titan
from scopeline.demo.acquisitions import catalyst, lamella, notebook
from scopeline.demo.acquisitions.shot import Shot
from scopeline.domain.sessions import Sample

TITLE = "Interfaces and catalysts on the Titan"
MOTIVATION = "Is the LaAlO3 film sharp and coherent? Where does the gold sit on the titania?"
OPERATOR = titan.OPERATOR
LENGTH = timedelta(minutes=152)

FIRST_SAMPLE = Sample(
    name=lamella.SPECIMEN,
    description="Cross-section of a 40 nm LaAlO3 film on SrTiO3 (001), cut with a focused ion beam",
    elements=["Sr", "Ti", "La", "Al", "O"],
)
SECOND_SAMPLE = Sample(
    name=catalyst.SPECIMEN,
    description="Gold on anatase powder, dry on holey carbon",
    elements=["Au", "Ti", "O"],
)


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One file of the session, made and waiting in the folder.

    The instrument closes it `at` after the session's start, which is also its modification time. Before that, `sample`
    goes into the microscope and `note` is typed, where they are given. `made_by` is the software that writes the file.
    """

    path: Path
    at: timedelta
    made_by: str
    note: str | None = None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    minutes: float
    name: str
    made_by: str
    acquire: Callable[[Shot], None]
    note: str | None = None
    sample: Sample | None = None


_A, _B = "LAO-STO lamella", "Au-TiO2"
_DM, _VELOX = "DigitalMicrograph", "Velox"

_STEPS = (
    _Step(5.5, f"{_A}/STO zone axis [100] CL520.dm4", _DM, lamella.zone_axis),
    _Step(12.0, f"{_A}/Overview HAADF BF 64 kx.emd", _VELOX, lamella.overview),
    _Step(19.0, f"{_A}/Interface HAADF 01.dm4", _DM, lamella.columns_coarse),
    _Step(20.4, f"{_A}/Interface HAADF 02.dm4", _DM, lamella.columns_fine),
    _Step(
        22.3,
        f"{_A}/Interface HAADF 03.dm4",
        _DM,
        lamella.columns_settled,
        note="Drift has settled. The interface is sharp to two layers, the film coherent.",
    ),
    _Step(24.0, f"{_A}/Interface frame series.emd", _VELOX, lamella.frame_series),
    _Step(35.0, f"{_A}/EELS/Survey.dm4", _DM, lamella.survey),
    _Step(44.2, f"{_A}/EELS/EELS SI Ti-L O-K La-M.dm4", _DM, lamella.energy_loss_map),
    _Step(45.9, f"{_A}/EELS/STO low loss.msa", _DM, lamella.low_loss),
    _Step(
        71.0,
        f"{_B}/SEM/A12 powder 25kx.tif",
        "xT",
        catalyst.grains,
        note="Holder change, cold trap filled. The SEM picture of the powder is from the Helios next door.",
        sample=SECOND_SAMPLE,
    ),
    _Step(84.0, f"{_B}/Gold decahedron HRTEM.dm4", _DM, catalyst.gold_bright_field),
    _Step(92.0, f"{_B}/Agglomerate HAADF.emd", _VELOX, catalyst.powder),
    _Step(93.8, f"{_B}/Gold decahedron HAADF.emd", _VELOX, catalyst.gold_dark_field),
    _Step(108.5, f"{_B}/EDS/EDS map.hspy", "HyperSpy", catalyst.xray_map),
    _Step(109.0, f"{_B}/EDS/EDS map sum.msa", "HyperSpy", catalyst.xray_sum),
    _Step(118.0, f"{_B}/4D-STEM nanobeam.dm4", _DM, catalyst.patterns),
    _Step(147.0, f"{_B}/Tilt series -60 to 60.mrc", "Tomography", catalyst.tilt_series),
    _Step(150.5, "notes.txt", "Notepad", notebook.typed),
)


def make_session(folder: Path, start: datetime, seed: int = 0) -> list[DemoFile]:
    """Write the session's files below `folder` and return them in the order in which the instrument saves them.

    `folder` is a place where nobody watches: a player moves the files from there to where the instrument saves.

    `start` (aware) is the session's start; local times in files are in its zone. The same arguments give the same
    bytes. Raises ValueError where `start` has no zone.
    """
    if start.tzinfo is None:
        raise ValueError(f"The session's start {start.isoformat()} has no time zone; give an aware datetime.")
    made = []
    for number, step in enumerate(_STEPS):
        path = folder / step.name
        path.parent.mkdir(parents=True, exist_ok=True)
        at = timedelta(minutes=step.minutes)
        saved = (start + at).replace(microsecond=0)
        step.acquire(Shot(path, saved, number, np.random.default_rng((seed, number))))
        os.utime(path, (saved.timestamp(), saved.timestamp()))
        made.append(DemoFile(path, at, step.made_by, step.note, step.sample))
    return made
