"""Words of libraries about the age of Python."""

from __future__ import annotations

import warnings


def leave_out_python_notices() -> None:
    """Google's libraries say at each start when they will drop this Python; who runs the product can do nothing."""
    warnings.filterwarnings("ignore", "You are using a Python version", FutureWarning)
