"""The pages that people read: the list, the search, a record, and whether the site works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from core_main_app.access_control.exceptions import AccessControlError
from core_main_app.commons.exceptions import DoesNotExist, ModelError
from core_main_app.components.data import api as data_api
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cdcs_connector.site import access, backend, live, publishing, search, stylesheets
from cdcs_connector.site.problems import problem

PER_PAGE = 20
RUNNING_TIMEOUT = 2.0  # seconds that the front page waits for the list of running sessions

View = Callable[..., HttpResponse]
logger = logging.getLogger(__name__)


def readers_only(view: View) -> View:
    """Send people who have not signed in to the sign-in page, unless anybody may read."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_anonymous and not settings.CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT:
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return checked


@require_safe
@readers_only
def home(request: HttpRequest) -> HttpResponse:
    """What runs now, and the newest records."""
    running, unreachable = _running(request)
    page = Paginator(search.records(request.user), PER_PAGE).get_page(request.GET.get("page"))
    shown = {"page": page, "running": running, "unreachable": unreachable, "here": "home"}
    return render(request, "home.html", shown)


@require_safe
@readers_only
def explore(request: HttpRequest) -> HttpResponse:
    """The records that have all the given words."""
    words = " ".join(request.GET.get("q", "").split())[:200]
    page = Paginator(search.records(request.user, words), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "explore.html", {"page": page, "words": words, "here": "explore"})


@require_safe
@readers_only
def record(request: HttpRequest, session: str) -> HttpResponse:
    """The session's record; while none is published, the page that follows the session."""
    published = access.record_of(request.user, session)
    if published is None:
        return live.page(request, session)
    return _record_page(request, published.data.file.name, published.data.template_id, session, published.title)


@require_safe
@readers_only
def data_detail(request: HttpRequest) -> HttpResponse:
    """CDCS core's address of a record, `/data?id=`: the same page."""
    try:
        data = data_api.get_by_id(request.GET.get("id", ""), request.user)
    except (DoesNotExist, ModelError):
        raise Http404("There is no such record.") from None
    except AccessControlError:
        raise PermissionDenied("This record is not open to you.") from None
    published = getattr(data, "scopeline", None)
    session = published.session if published is not None else None
    return _record_page(request, data.file.name, data.template_id, session, data.title)


@require_safe
@readers_only
def record_xml(request: HttpRequest, session: str) -> HttpResponse:
    """The published record itself."""
    published = access.record_of(request.user, session)
    if published is None:
        raise Http404("No record of this session is published yet.")
    answer = HttpResponse(_body(published.data.file.name), content_type="application/xml")
    answer.headers["Content-Disposition"] = f'attachment; filename="{session}.xml"'
    return answer


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Whether the site can do its work: the database answers and holds the record schema."""
    try:
        template = publishing.current_template()
    except DatabaseError as error:
        logger.error("not ready: %s", error)
        return problem(503, "database_unavailable", "The site's database does not answer.")
    except publishing.NotInitialised as error:
        return problem(503, "not_initialised", str(error))
    return JsonResponse({"status": "ready", "schema": template.display_name})


def _record_page(request: HttpRequest, body: str, template_id: int, session: str | None, title: str) -> HttpResponse:
    html = stylesheets.record_html(_body(body), template_id)
    return render(request, "record.html", {"record": html, "session": session, "title": title, "here": "home"})


def _body(name: str) -> bytes:
    """The record's XML. Raises Http404 where the record was withdrawn since its row was read."""
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise Http404("This record has just been withdrawn.") from None


def _running(request: HttpRequest) -> tuple[list[live.Running], bool]:
    """The running sessions that the reader may watch, and whether the API could not be asked."""
    try:
        sessions = backend.open_sessions(timeout=RUNNING_TIMEOUT)
    except backend.BackendUnavailable as error:
        logger.warning("running sessions are not shown: %s", error)
        return [], True
    return [live.running(s) for s in sessions if _may_watch(request.user, s)], False


def _may_watch(user: Any, session: dict[str, Any]) -> bool:
    try:
        access.check_running(user, session)
    except PermissionDenied:
        return False
    return True
