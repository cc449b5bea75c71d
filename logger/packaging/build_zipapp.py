"""Builds `scopeline-logger.pyz`, the one file that instrument PCs get, into `dist` or a folder that is named.

The file runs with any Python from 3.4 on. The same sources give the same bytes.
"""

import argparse
import os
import zipfile

LOGGER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.join(LOGGER, "scopeline_logger")
OUT = os.path.join(os.path.dirname(LOGGER), "dist")
NAME = "scopeline-logger.pyz"
# Older Pythons read this far: what they cannot read is imported after the check.
MAIN = """import sys

if sys.version_info < (3, 4):
    sys.exit("The logger needs Python 3.4 or later. This is Python %d.%d. Try python3, or py -3." % sys.version_info[:2])

from scopeline_logger.__main__ import main

sys.exit(main())
"""
# ZIP's first moment: the archive must not depend on when it is built.
MOMENT = (1980, 1, 1, 0, 0, 0)


def build(folder: str) -> str:
    """Write the archive into `folder`, which is made where it is not there; its path."""
    if not os.path.isdir(folder):
        os.makedirs(folder)
    target = os.path.join(folder, NAME)
    part = target + ".part"
    with open(part, "wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, "__main__.py", MAIN.encode("ascii"))
            for name in sorted(os.listdir(SOURCE)):
                if name.endswith(".py"):
                    with open(os.path.join(SOURCE, name), "rb") as module:
                        _add(archive, "scopeline_logger/" + name, module.read())
        file.flush()
        os.fsync(file.fileno())
    os.chmod(part, 0o755)
    os.replace(part, target)
    return target


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, MOMENT)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def main() -> None:
    """Build as the command line says, and print the archive's path."""
    parser = argparse.ArgumentParser(description="Builds %s, the one file that instrument PCs get." % NAME)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=OUT, help="where to (default: dist)")
    print(build(parser.parse_args().folder))


if __name__ == "__main__":
    main()
