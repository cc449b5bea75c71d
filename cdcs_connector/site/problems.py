"""Answers that say what is wrong, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse


def problem(status: int, code: str, detail: str, **more: Any) -> JsonResponse:
    """A problem document with a stable `code`."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code}
    return JsonResponse({**body, **more}, status=status, content_type="application/problem+json")
