"""What every page of the site knows."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest


@cache
def asset_version() -> str:
    """A short hash of the site's own scripts and styles: their addresses change when they do."""
    digest = sha256()
    for file in sorted((settings.HERE / "static").rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def site(request: HttpRequest) -> dict[str, Any]:
    """Context of all templates: the facility's name and the version of scripts and styles."""
    return {"facility": settings.SITE.facility, "assets": asset_version()}
