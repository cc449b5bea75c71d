"""Simulated specimens: arrays that look as a detector would see them. Only numpy; lengths in nm where not said."""
