"""The tasks of the sweep (`services/sweep.py`), one module each."""
