"""HDF5 files: of which family they are, and that they do not reach outside themselves.

An HDF5 file can name data of other files: external links, virtual datasets and external storage. A file from an
instrument could so pull any file of this server into a record. Such files are refused before a reader opens them. Soft
links stay inside the file and are followed, unless they make a circle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scopeline.formats.results import Unreadable
from scopeline.formats.source import damaged

MAX_OBJECTS = 100_000


def family(path: Path) -> str | None:
    """The format (a row id of the registry) of an HDF5 file, from what stands at its top; None where it is unknown.

    Raises Unreadable where the file is damaged or reaches outside itself.
    """
    import h5py

    with _opened(path) as file, damaged("its groups", path.stat().st_size):
        _refuse_reaching_out(file)
        if _is_velox(file):
            return "velox"
        if b"HyperSpy" in _bytes(file.attrs.get("file_format", b"")) or "Experiments" in file:
            return "hyperspy"
        marks = ("version_major", "emd_group_type", "emd_version", "authoring_program")
        groups = [file, *(item for item in _values(file) if isinstance(item, h5py.Group))]
        if any(mark in group.attrs for group in groups for mark in marks):
            return "emd"
        if any(_bytes(group.attrs.get("NX_class", b"")) for group in groups):
            return "nexus"
        return None


def _opened(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        text = str(error)
        if "truncated" in text:
            raise Unreadable(
                "The HDF5 file is shorter than its header says: it was not written or copied completely."
            ) from error
        if "lock" in text or "unlock" in text or "consistency flags" in text:
            raise Unreadable("The HDF5 file was not closed by the program that wrote it.") from error
        raise Unreadable(f"The HDF5 file is damaged ({text.rstrip('.')}).") from error


def _is_velox(file: Any) -> bool:
    import h5py

    version = file.get("Version")
    if not isinstance(version, h5py.Dataset) or not version.shape:
        return False
    try:
        described = json.loads(_bytes(version[0]))
    except ValueError:
        return False
    return isinstance(described, dict) and described.get("format") in ("Velox", "DevelopersKit")


def _refuse_reaching_out(file: Any) -> None:
    import h5py

    seen: set[Any] = set()
    waiting: list[tuple[Any, str, frozenset[Any]]] = [(file, "", frozenset())]
    while waiting:
        group, where, above = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in above:
            raise Unreadable(f"The HDF5 file links {where} to a group that holds it: it has no end.")
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > MAX_OBJECTS:
            raise Unreadable(f"The HDF5 file has more than {MAX_OBJECTS:,} objects.")
        for name in group:
            link, place = group.get(name, getlink=True), f"{where}/{name}"
            if isinstance(link, h5py.ExternalLink):
                raise Unreadable(
                    f"The HDF5 file takes {place} from another file ({link.filename}); such links are not followed."
                )
            item = group.get(name)  # None: a soft link to nothing
            if isinstance(item, h5py.Group):
                waiting.append((item, place, above | {address}))
            elif isinstance(item, h5py.Dataset):
                _refuse_outside_data(item, place)


def _refuse_outside_data(dataset: Any, place: str) -> None:
    if dataset.is_virtual:
        raise Unreadable(f"The HDF5 file takes {place} from other files (a virtual dataset); they are not followed.")
    if dataset.external:
        raise Unreadable(f"The HDF5 file keeps {place} in another file ({dataset.external[0][0]}); it is not followed.")


def _values(group: Any) -> list[Any]:
    return [item for name in group if (item := group.get(name)) is not None]


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, bytes) else b""
