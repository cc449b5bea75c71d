"""The tasks of the sweep (`services/sweep.py`), by what they look at; `tasks.py` says what a task is."""
