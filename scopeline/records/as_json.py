"""The same record for programs: activities and files as JSON values."""

from __future__ import annotations

import math
from typing import Any
from zoneinfo import ZoneInfo

from scopeline.records.groups import Activity, Member, group
from scopeline.records.inputs import NoteInput, ParameterInput, RecordInputs, Value
from scopeline.records.text import moment_text, value_text


def record_as_json(inputs: RecordInputs, version: int | None) -> dict[str, Any]:
    """The record as JSON values; `version` is null where the session has none yet. Moments have the zone's offset."""
    zone = ZoneInfo(inputs.zone)
    return {
        "session": inputs.id,
        "version": version,
        "pid": inputs.pid,
        "title": inputs.title,
        "instrument": {"name": inputs.instrument, "pid": inputs.instrument_pid, "zone": inputs.zone},
        "experimenters": list(inputs.experimenters),
        "collaborators": list(inputs.collaborators),
        "start": moment_text(inputs.start, zone),
        "end": moment_text(inputs.end, zone) if inputs.end else None,
        "motivation": inputs.motivation,
        "samples": [
            {"id": s.id, "name": s.name, "descriptions": list(s.descriptions), "elements": list(s.elements)}
            for s in inputs.samples
        ],
        "projects": [project.model_dump() for project in inputs.projects],
        "activities": [_activity(activity, zone) for activity in group(inputs)],
        "files": [
            {
                "id": file.id,
                "path": file.path,
                "generation": file.generation,
                "format": file.format,
                "datasets": [dataset.id for dataset in file.datasets],
            }
            for file in inputs.files
        ],
        "notes": [_note(note, zone) for note in inputs.notes],
    }


def _activity(activity: Activity, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "number": activity.number,
        "title": activity.title,
        "start": moment_text(activity.start, zone) if activity.start else None,
        "sample": activity.sample,
        "setup": _parameters(activity.setup),
        "datasets": [_dataset(member, zone) for member in activity.members],
    }


def _dataset(member: Member, zone: ZoneInfo) -> dict[str, Any]:
    dataset = member.dataset
    return {
        "id": dataset.id,
        "file": member.file.id,
        "name": dataset.name,
        "type": dataset.type,
        "role": dataset.role,
        "acquired": moment_text(dataset.acquired, zone) if dataset.acquired else None,
        "warnings": list(dataset.warnings),
        "preview": f"/files/{member.file.id}/{member.file.generation}/{dataset.index}/preview"
        if dataset.preview
        else None,
        "parameters": _parameters(member.parameters),
        "description": dataset.description,
        "notes": dataset.notes,
        "rating": dataset.rating,
        "featured": dataset.featured,
    }


def _parameters(parameters: dict[str, ParameterInput]) -> dict[str, Any]:
    return {
        name: {"value": _value(parameter.value), "unit": parameter.unit, "warning": parameter.warning}
        for name, parameter in parameters.items()
    }


def _value(value: Value) -> Value:
    """The value; what JSON has no number for as text."""
    return value_text(value) if isinstance(value, float) and not math.isfinite(value) else value


def _note(note: NoteInput, zone: ZoneInfo) -> dict[str, Any]:
    return {"source": note.source, "at": moment_text(note.at, zone) if note.at else None, "text": note.text}
