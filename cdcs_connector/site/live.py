"""The page of a session without a record yet: made from the API, and followed while it grows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cdcs_connector.site import access, backend, moments
from cdcs_connector.site.models import TYPE_NAMES

INSTRUMENTS_KEPT = 300  # seconds
MAX_TILES = 300  # that the page opens with; the record will have all
# What a reader is told of a file whose reader gave no dataset.
STATES = {
    "announced": "on its way",
    "stored": "being read",
    "extracted": "",
    "unreadable": "unreadable",
    "unsupported": "unknown format",
    "failed": "could not be read",
    "deleted": "deleted",
}
FORGOTTEN = "forgotten"  # why a session ended that nobody ended
WAITING = ("announced", "stored")


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote or did during the session."""

    at: str  # in words, as all moments of the page
    text: str
    person: str


@dataclass(frozen=True, slots=True)
class Running:
    """A session without a record, in the words of the page. Moments are in the instrument's zone."""

    id: str
    title: str
    instrument: str
    people: list[str]
    start: datetime | None
    end: datetime | None
    forgotten: bool  # whether it ended by itself
    zone: str
    motivation: str
    samples: list[str]
    project: str
    settled: int | None  # files; None where the API did not count them, as in lists
    waiting: int
    notes: list[Note]

    @property
    def ended(self) -> bool:
        """Whether END has come, and only the record is awaited."""
        return self.end is not None


@dataclass(frozen=True, slots=True)
class Tile:
    """One dataset, or a file without one, as the page shows it."""

    id: str
    file: str
    name: str
    caption: str
    at: str
    saved: bool  # whether `at` is when the file was saved, because it has no time of its own
    order: int  # of arrival
    preview: str | None
    warning: str
    waiting: bool


def page(request: HttpRequest, session: str) -> HttpResponse:
    """The page of a session that has no record. Raises Http404, PermissionDenied, Erased, BackendUnavailable."""
    found = _session(request, session)
    shown = running(found)
    files, now = backend.files(session)
    newest = _sorted(tiles(files, shown))
    context = {
        "running": shown,
        "tiles": newest[:MAX_TILES],
        "older": len(newest[MAX_TILES:]),
        "now": now,
        "here": "live",
    }
    response = render(request, "live.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@never_cache
@require_safe
def changes(request: HttpRequest, session: str) -> HttpResponse:
    """What changed since `since`, as pieces of HTML; `published` once the record is there."""
    if access.record_of(request.user, session) is not None:
        return JsonResponse({"published": True})
    shown = running(_session(request, session))
    files, now = backend.files(session, since=request.GET.get("since") or None)
    return JsonResponse(
        {
            "published": False,
            "now": now,
            "files": sorted({f["id"] for f in files}),
            "tiles": [
                {"id": t.id, "file": t.file, "html": render_to_string("live_tile.html", {"tile": t})}
                for t in _sorted(tiles(files, shown))
            ],
            "state": render_to_string("live_state.html", {"running": shown}),
            "notes": render_to_string("live_notes.html", {"running": shown}),
        }
    )


def running(session: dict[str, Any]) -> Running:
    """The page's view of a session as the API gives it."""
    instrument = _instruments(int(time.monotonic() // INSTRUMENTS_KEPT)).get(session["instrument"], {})
    zone = ZoneInfo(instrument.get("zone") or "UTC")
    counts = session.get("files")
    name = str(instrument.get("name") or session["instrument"])
    start = _moment(session.get("start"), zone)
    return Running(
        id=session["id"],
        title=session.get("title") or f"Session on {name}",
        instrument=name,
        people=[p["person"] for p in session.get("people") or [] if p.get("person")],
        start=start,
        end=_moment(session.get("end"), zone),
        forgotten=session.get("why_ended") == FORGOTTEN,
        zone=moments.zone(start) if start else "",
        motivation=session.get("motivation") or "",
        samples=[s["name"] for s in session.get("samples") or [] if s.get("name")],
        project=((session.get("project") or {}).get("name") or "") if session.get("project") else "",
        settled=counts["total"] - sum(counts[s] for s in (*WAITING, "deleted")) if counts else None,
        waiting=sum(counts[s] for s in WAITING) if counts else 0,
        notes=[_note(e, zone, start) for e in session.get("events") or []],
    )


def tiles(files: list[dict[str, Any]], session: Running) -> list[Tile]:
    """A tile for each dataset, and one for each file that has none. Companions and deleted files have none."""
    found: list[Tile] = []
    for file in files:
        if file.get("companion_of") or file.get("status") == "deleted":
            continue
        datasets = file.get("datasets") or []
        if datasets:
            found.extend(_dataset_tile(file, d, len(datasets), session) for d in datasets)
        else:
            found.append(_file_tile(file, session))
    return found


def _dataset_tile(file: dict[str, Any], dataset: dict[str, Any], count: int, session: Running) -> Tile:
    index = dataset["index"]
    acquired = dataset.get("acquired") or {}
    shape = " × ".join(str(n) for n in dataset.get("shape") or [])
    kind = TYPE_NAMES.get(dataset["type"], dataset["type"])
    return Tile(
        id=f"{file['id']}.{index}",
        file=file["id"],
        name=file["name"] + (f" ({index + 1} of {count})" if count > 1 else ""),
        caption=" · ".join(part for part in (dataset.get("technique"), kind, shape) if part),
        at=_at(acquired.get("value") or file.get("mtime"), session),
        saved=not acquired.get("value") or acquired.get("source") == "file",
        order=file.get("generation") or 0,
        preview=_preview(file, index) if dataset.get("preview") else None,
        warning="; ".join(dataset.get("warnings") or []),
        waiting=False,
    )


def _file_tile(file: dict[str, Any], session: Running) -> Tile:
    return Tile(
        id=f"{file['id']}.0",
        file=file["id"],
        name=file["name"],
        caption=STATES.get(file["status"], file["status"]),
        at=_at(file.get("mtime"), session),
        saved=True,
        order=file.get("generation") or 0,
        preview=_preview(file, 0) if file.get("placeholder") else None,
        warning=file.get("reason") or "",
        waiting=file["status"] in WAITING,
    )


def _preview(file: dict[str, Any], index: int) -> str | None:
    return f"/files/{file['id']}/{file['generation']}/{index}/preview" if file.get("generation") is not None else None


def _sorted(found: list[Tile]) -> list[Tile]:
    """The last to arrive first (generations grow with every upload); what is still on its way before all."""
    return sorted(found, key=lambda t: (t.waiting, t.order, t.id), reverse=True)


def _note(event: dict[str, Any], zone: ZoneInfo, start: datetime | None) -> Note:
    sample, project = event.get("sample") or {}, event.get("project") or {}
    if sample.get("name"):
        text = f"Next sample: {sample['name']}"
    elif project.get("name"):
        text = f"Project: {project['name']}"
    else:
        text = event.get("text") or ""
    at = _moment(event.get("at"), zone)
    return Note(at=_words(at, start, seconds=False), text=text, person=event.get("person") or "")


def _session(request: HttpRequest, session: str) -> dict[str, Any]:
    try:
        found = backend.session(session)
    except backend.Erased:
        access.check_reader(request.user)
        raise
    except backend.Missing:
        raise Http404(f"There is no session {session}.") from None
    access.check_running(request.user, found)
    return found


@lru_cache(maxsize=1)
def _instruments(period: int) -> dict[str, dict[str, Any]]:
    """The instruments, asked for once per `period`."""
    return backend.instruments()


def _at(text: str | None, session: Running) -> str:
    """The moment in the session's zone, with its day where that is not the session's."""
    zone = session.start.tzinfo if session.start is not None else ZoneInfo("UTC")
    return _words(_moment(text, zone), session.start, seconds=True)


def _words(moment: datetime | None, start: datetime | None, *, seconds: bool) -> str:
    return moments.at(moment, start.date() if start else None, seconds=seconds) if moment else ""


def _moment(text: str | None, zone: Any) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(zone) if text else None
