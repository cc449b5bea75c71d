"""How much work waits and what gave up: as JSON, and as text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Literal

from flask import Response

from scopeline.api.answers import Answer, Moment
from scopeline.api.calls import Ask, Media, Reply, call
from scopeline.services.metrics import Measurements, measure

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class WaitingAnswer(Answer):
    """Work that is known and not done; `oldest_seconds` null where there is none."""

    kind: Literal["announced", "stored", "no_record", "unpublished"]
    count: int
    oldest_seconds: float | None


class GaveUpAnswer(Answer):
    """Deliveries of a topic that gave up with one code."""

    topic: str
    code: str
    transient: bool
    count: int
    oldest_seconds: float


class LoggerAnswer(Answer):
    """When a PC's logger was heard of (null: never), and how far its clock is behind."""

    client: str
    heartbeat_seconds: float | None
    clock_offset_seconds: float | None


class SweptAnswer(Answer):
    """Where a task of the sweep stands."""

    task: str
    finished_seconds: float | None
    running: bool
    found: int


class StatusAnswer(Answer):
    """The state of the whole. `gave_up_at_least`: more gave up than was counted, the oldest first."""

    at: Moment
    waiting: list[WaitingAnswer]
    gave_up: list[GaveUpAnswer]
    gave_up_at_least: bool
    loggers: list[LoggerAnswer]
    sweeps: list[SweptAnswer]


@call("GET", "/v1/status", {200: StatusAnswer})
def status(ask: Ask) -> Reply:
    """How much work waits, what gave up, how loggers and the sweep are."""
    return Reply(StatusAnswer.model_validate(asdict(measure(ask.backend))))


@call("GET", "/metrics", {200: Media("text/plain")})
def metrics(ask: Ask) -> Response:
    """The same as `/v1/status`, in the text format of Prometheus."""
    return Response(exposition(measure(ask.backend)), content_type=EXPOSITION)


def exposition(measured: Measurements) -> str:
    """The text of Prometheus: each metric with its help and type, then a line for each set of labels."""
    lines = []
    for name, words, samples in _metrics(measured):
        lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(labels)} {float(value)!r}" for labels, value in samples if value is not None]
    return "\n".join(lines) + "\n"


_Samples = list[tuple[Mapping[str, str], float | None]]


def _metrics(measured: Measurements) -> Iterator[tuple[str, str, _Samples]]:
    """Name, help and samples of each metric. What has no value, as the age of nothing, has no sample."""
    waiting = [({"kind": each.kind}, each) for each in measured.waiting]
    yield "scopeline_waiting", "Work that is known and not done.", [(of, each.count) for of, each in waiting]
    yield (
        "scopeline_waiting_oldest_seconds",
        "Age of the oldest work that is not done.",
        [(of, each.oldest_seconds) for of, each in waiting],
    )
    parked = [
        ({"topic": each.topic, "code": each.code, "transient": str(each.transient).lower()}, each)
        for each in measured.gave_up
    ]
    yield (
        "scopeline_gave_up",
        "Deliveries that gave up, by their last error.",
        [(of, each.count) for of, each in parked],
    )
    yield (
        "scopeline_gave_up_oldest_seconds",
        "Seconds since the first failure of the oldest delivery that gave up.",
        [(of, each.oldest_seconds) for of, each in parked],
    )
    yield (
        "scopeline_gave_up_at_least",
        "1 where more gave up than was counted.",
        [({}, float(measured.gave_up_at_least))],
    )
    loggers = [({"client": each.client}, each) for each in measured.loggers]
    yield (
        "scopeline_logger_heartbeat_seconds",
        "Seconds since a logger was heard of.",
        [(of, each.heartbeat_seconds) for of, each in loggers],
    )
    yield (
        "scopeline_logger_clock_offset_seconds",
        "Seconds that the server's clock is ahead of the logger's.",
        [(of, each.clock_offset_seconds) for of, each in loggers],
    )
    swept = [({"task": each.task}, each) for each in measured.sweeps]
    yield (
        "scopeline_sweep_finished_seconds",
        "Seconds since the last whole round of a task of the sweep.",
        [(of, each.finished_seconds) for of, each in swept],
    )
    yield "scopeline_sweep_found", "What the present or last round found.", [(of, each.found) for of, each in swept]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    return "{" + ",".join(f'{name}="{value.translate(escapes)}"' for name, value in labels.items()) + "}"


CALLS = (status, metrics)
