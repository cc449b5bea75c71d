"""How the server is, who calls, how loggers are."""

from __future__ import annotations

from scopeline.api.answers import (
    ClientAnswer,
    HealthAnswer,
    HeartbeatAnswer,
    InstrumentAnswer,
    MeAnswer,
    TokenAnswer,
)
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.requests import HeartbeatBody
from scopeline.services import access, health
from scopeline.services.ignore import shared_patterns

MINIMUM_LOGGER_VERSION = "0.1.0"


@call("GET", "/healthz", {200: HealthAnswer})
def healthz(ask: Ask) -> Reply:
    """The process is alive."""
    return Reply(HealthAnswer(status="alive"))


@call("GET", "/readyz", {200: HealthAnswer}, problems=(503,))
def readyz(ask: Ask) -> Reply:
    """The stores answer."""
    ask.stores.ask()
    return Reply(HealthAnswer(status="ready"))


@call("GET", "/v1/me", {200: MeAnswer})
def me(ask: Ask) -> Reply:
    """Who the token is, the server's time, and what a logger needs to know."""
    token, client = ask.caller.token, ask.caller.client
    instruments = access.instruments_of(ask.backend, ask.caller)
    return Reply(
        MeAnswer(
            token=TokenAnswer(id=token.id, kind=token.kind, subject=token.subject, expires_at=token.expires_at),
            server_time=ask.backend.clock(),
            minimum_logger_version=MINIMUM_LOGGER_VERSION,
            client=ClientAnswer(id=client.id, instruments=client.instruments, roots=client.roots) if client else None,
            instruments=[InstrumentAnswer(id=each.id, name=each.name, zone=each.zone) for each in instruments],
            ignore=shared_patterns(instruments if client else []),
        )
    )


@call("POST", "/v1/heartbeat", {200: HeartbeatAnswer})
def heartbeat(ask: Ask, body: HeartbeatBody) -> Reply:
    """How a logger is."""
    queue = {
        **body.queue.model_dump(mode="json"),
        "roots": dict(body.roots),
        "refused": list(body.refused),
    }
    now = health.note_heartbeat(ask.backend, ask.caller, at=body.at, version=body.version, queue=queue)
    return Reply(HeartbeatAnswer(server_time=now, minimum_logger_version=MINIMUM_LOGGER_VERSION))


CALLS = (healthz, readyz, me, heartbeat)
