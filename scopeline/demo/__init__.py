"""A made-up day at a microscope: simulated pictures in the vendors' formats, for a demonstration without real data."""
