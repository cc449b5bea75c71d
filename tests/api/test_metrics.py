"""`/metrics` and `/v1/status`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scopeline.api.metrics import exposition
from scopeline.services.metrics import GaveUp, Logger, Measurements, TaskState, Waiting

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? ([0-9.e+-]+|inf|nan)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"')


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of a Prometheus text; every line is checked for its form."""
    found = {}
    declared = set()
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            declared.add(line.split()[2])
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] in declared
        labels = tuple((name, re.sub(r"\\(.)", _unescaped, value)) for name, value in LABEL.findall(match[2] or ""))
        found[match[1], labels] = float(match[3])
    return found


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def test_both_tell_the_same(lab: Any) -> None:
    lab.start()
    lab.call("POST", "/v1/uploads", lab.upload_body())
    lab.clock.forward(seconds=90)
    told = lab.call("GET", "/v1/status", token="admin").get_json()
    answer = lab.call("GET", "/metrics", token="admin")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert {kind["kind"]: kind["count"] for kind in told["waiting"]} == {
        labels[0][1]: value for (name, labels), value in found.items() if name == "scopeline_waiting"
    }
    assert found["scopeline_waiting", (("kind", "announced"),)] == 1
    assert found["scopeline_waiting_oldest_seconds", (("kind", "announced"),)] == 90
    assert ("scopeline_waiting_oldest_seconds", (("kind", "stored"),)) not in found
    assert [logger["client"] for logger in told["loggers"]] == ["jeol-pc", "second-pc", "titan-pc"]


@given(st.text(), st.floats(0, 1e12), st.integers(0, 10**6))
def test_any_label_and_number_can_be_read_back(label: str, seconds: float, count: int) -> None:
    measured = Measurements(
        at=datetime(2026, 2, 6, tzinfo=UTC),
        waiting=[Waiting("stored", count, seconds)],
        gave_up=[GaveUp("record.built", label, True, count, seconds)],
        loggers=[Logger(label, None, -seconds)],
        sweeps=[TaskState(label, seconds, True, count)],
    )
    found = samples(exposition(measured))
    gave_up = (("topic", "record.built"), ("code", label), ("transient", "true"))
    assert found["scopeline_gave_up", gave_up] == count
    assert found["scopeline_gave_up_at_least", ()] == 0
    assert found["scopeline_logger_clock_offset_seconds", (("client", label),)] == -seconds
    assert found["scopeline_sweep_finished_seconds", (("task", label),)] == seconds
    assert not any(name == "scopeline_logger_heartbeat_seconds" for name, _ in found)
