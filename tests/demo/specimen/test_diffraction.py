from __future__ import annotations

import pytest

from scopeline.demo.specimen.diffraction import wavelength


# Williams & Carter, Transmission Electron Microscopy, table 1.2 (relativistic)
@pytest.mark.parametrize(("kilovolts", "picometres"), [(100, 3.70), (200, 2.51), (300, 1.97)])
def test_the_wavelength_of_electrons_is_the_relativistic_one(kilovolts: int, picometres: float) -> None:
    assert wavelength(kilovolts * 1e3) * 1e3 == pytest.approx(picometres, abs=0.005)
