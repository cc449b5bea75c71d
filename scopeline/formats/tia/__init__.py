"""FEI TIA: .ser files hold the pixels, the .emi file of the same name holds what the microscope was set to."""

from __future__ import annotations

from scopeline.formats.tia.signal import read

__all__ = ["read"]
