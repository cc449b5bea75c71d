"""Lets pytest find the modules that these tests share, as `unittest discover` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
