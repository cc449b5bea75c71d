"""The operator's own text file."""

from __future__ import annotations

from scopeline.demo import titan
from scopeline.demo.acquisitions import catalyst, lamella
from scopeline.demo.acquisitions.shot import Shot

_NOTES = """{day}  {microscope}, 300 kV, {operator}

{lamella}
- Zone axis [100] at alpha -3.42, beta 1.87.
- Thin edge on the right, about 35 nm (low loss: t/lambda 0.55).
- Film coherent, no misfit dislocations in 200 nm. Two mixed layers at the interface.
- EELS map: 0.4 s per pixel, no visible damage afterwards.

{catalyst}
- Holey carbon on copper. Gold 3-6 nm, mostly decahedra.
- Gold moves under the beam above 0.3 nA: keep to 60 pA for pictures.
- Tilt series -60 to 60 by 4 deg, same agglomerate as the EDS map.

To do: compare O K with the film annealed at 600 C.
"""


def typed(shot: Shot) -> None:
    """What the operator typed into a text file."""
    text = _NOTES.format(
        day=f"{shot.saved:%Y-%m-%d}",
        microscope=titan.NAME,
        operator=titan.OPERATOR,
        lamella=lamella.SPECIMEN,
        catalyst=catalyst.SPECIMEN,
    )
    shot.path.write_text(text, encoding="utf-8")
