"""Who may read what: CDCS core's rights on records, and what follows from them for files and running sessions."""

from __future__ import annotations

from typing import Any

from core_main_app.components.workspace import api as workspace_api
from core_main_app.components.workspace.models import Workspace
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from cdcs_connector.site import backend
from cdcs_connector.site.models import PublishedRecord, RecordFile

NORMAL = "normal"


def readable(user: Any) -> QuerySet[PublishedRecord]:
    """The records that `user` may read, without their search text."""
    records = PublishedRecord.objects.defer("search_text")
    if user.is_anonymous and not settings.CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT:
        return records.none()
    if user.is_superuser:
        return records
    workspaces = workspace_api.get_all_workspaces_with_read_access_by_user(user)
    return records.filter(Q(data__workspace__in=workspaces) | Q(data__user_id=str(user.id)))


def record_of(user: Any, session: str) -> PublishedRecord | None:
    """The session's record, or None where none is published. Raises PermissionDenied."""
    # With its CDCS record at once: it may be withdrawn before that is asked for.
    record: PublishedRecord | None = readable(user).select_related("data").filter(pk=session).first()
    if record is None and PublishedRecord.objects.filter(pk=session).exists():
        raise PermissionDenied(f"Record {session} is not open to you.")
    return record


def check_reader(user: Any) -> None:
    """Raise PermissionDenied where `user` has not signed in and strangers read nothing here."""
    if user.is_anonymous and not settings.CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT:
        raise PermissionDenied("Sign in to read sessions.")


def check_running(user: Any, session: dict[str, Any]) -> None:
    """Raise PermissionDenied where `user` may not watch a session that has no record yet.

    It will become a record of the public workspace: who may read there may watch, unless the session is private.
    """
    if user.is_superuser or user.is_staff:
        return
    check_reader(user)
    if session.get("handling", NORMAL) != NORMAL:
        raise PermissionDenied("This session is private until it is published.")
    if not Workspace.objects.filter(owner=None, is_public=True).exists():
        raise PermissionDenied("Running sessions are not open to you.")


def check_file(user: Any, file: str) -> None:
    """Raise PermissionDenied or Http404 where `user` may not read the file.

    A file that published records show is decided by them; any other (of a running session, or a companion that is no
    dataset) by the session that it belongs to now.
    """
    sessions = set(RecordFile.objects.filter(file=file).values_list("record_id", flat=True))
    if sessions:
        if not readable(user).filter(pk__in=sessions).exists():
            raise PermissionDenied(f"File {file} is of a record that is not open to you.")
        return
    if user.is_anonymous and not settings.CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT:
        raise PermissionDenied("Sign in to read files.")
    try:
        session = backend.session_of_file(file)
        if session is None:
            raise PermissionDenied(f"File {file} belongs to no session yet.")
        if record_of(user, session) is None:
            check_running(user, backend.session(session))
    except backend.Missing:
        raise Http404(f"There is no file {file}.") from None
