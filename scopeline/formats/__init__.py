"""Microscope files: one module per vendor family, a registry of them, and previews."""
