"""Where CDCS core's files are kept: as rows, so that a file and what names it are written in one transaction."""

from __future__ import annotations

from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible


@deconstructible
class DatabaseStorage(Storage):
    """Django's storage interface on the table `StoredBody`."""

    def _rows(self) -> Any:
        from cdcs_connector.site.models import StoredBody

        return StoredBody.objects

    def _body(self, name: str) -> bytes:
        row = self._rows().filter(pk=name).values_list("body", flat=True).first()
        if row is None:
            raise FileNotFoundError(f"No stored file {name!r} in the site's database.")
        return bytes(row)

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode not in ("r", "rb"):
            raise ValueError(f"Stored file {name!r} can be opened for reading only, not {mode!r}; save it anew.")
        return ContentFile(self._body(name), name)

    def _save(self, name: str, content: File) -> str:
        content.seek(0)
        self._rows().create(pk=name, body=content.read())
        return name

    def replace(self, name: str, body: bytes) -> None:
        """Make `body` what is stored as `name`: who has read the name before finds the one body or the other."""
        self._rows().update_or_create(pk=name, defaults={"body": body})

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self._rows().filter(pk=name).exists())

    def delete(self, name: str) -> None:
        """Remove the file; nothing happens where there is none."""
        self._rows().filter(pk=name).delete()

    def size(self, name: str) -> int:
        """Its length in bytes."""
        return len(self._body(name))

    def url(self, name: str | None) -> str:
        """Stored files have no address of their own: pages read them after their permission check."""
        raise ValueError(f"Stored file {name!r} has no address.")
