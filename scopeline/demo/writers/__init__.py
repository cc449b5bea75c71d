"""Writers of microscope formats: through rosettasciio where it can write one, else from the format's description."""
