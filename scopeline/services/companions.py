"""Objects whose files are read together: companions beside their leader, by the names that the registry joins."""

from __future__ import annotations

from collections.abc import Sequence

from scopeline.domain.events import StoredObject
from scopeline.formats import registry
from scopeline.ports import ObjectStore


def _siblings(store: ObjectStore, name: str, prefixes: Sequence[str]) -> list[str]:
    """The file names beside object `name` that start with one of `prefixes`."""
    folder = name.rpartition("/")[0] + "/"
    found = {o.name[len(folder) :] for prefix in prefixes for o in store.list(folder + prefix)}
    return sorted(sibling for sibling in found if "/" not in sibling)


def leaders_of_object(store: ObjectStore, name: str) -> tuple[str, ...]:
    """The objects that are read together with the companion `name`; none where it is no companion."""
    folder, _, file_name = name.rpartition("/")
    siblings = _siblings(store, name, registry.leader_prefixes(file_name))
    return tuple(f"{folder}/{leader}" for leader in registry.leaders_of(file_name, siblings))


def companions_of_object(store: ObjectStore, name: str) -> tuple[StoredObject, ...]:
    """The current versions of the objects that are read along with `name`, by name."""
    folder, _, file_name = name.rpartition("/")
    siblings = _siblings(store, name, registry.companion_prefixes(file_name))
    found = (store.stat(f"{folder}/{c}") for c in registry.companions_of(file_name, siblings))
    return tuple(sorted((c for c in found if c is not None), key=lambda c: c.name))
