"""The local edition's process: API, upload endpoint, workers, readers and the web site, started and ended together."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from cdcs_connector.client import CdcsSite
from scopeline.adapters.embedded.event_worker import EventWorker
from scopeline.adapters.embedded.recovery import recover
from scopeline.adapters.storage_errors import storage_problems
from scopeline.bootstrap import UPLOADS, Embedded, embedded, reader_pool
from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Topic
from scopeline.domain.instruments import Token, TokenKind
from scopeline.handlers import WITH_SITE, Handler, gave_up, handlers
from scopeline.local.regularly import IsStopping, do_regularly
from scopeline.local.site_process import SiteOptions, SiteProcess, address
from scopeline.local.unused_ports import unused_port
from scopeline.ports import TOKENS, find_all
from scopeline.services.access import make_token, revoke_token
from scopeline.services.backend import Backend
from scopeline.services.replay import replay_transient
from scopeline.services.sweep import sweep
from scopeline.settings import Settings

log = logging.getLogger("scopeline.local")

API_THREADS = 16
# A logger's chunk is `upload_chunk` bytes; older settings may propose more.
LARGEST_CHUNKS = 4
STOP_SECONDS = 10.0
ANSWER_SECONDS = 2.0
SWEEP_SECONDS = 60.0
# The stores are shared with those who send: a sweep that has much to do goes on at the next time.
SWEEP_BUDGET = timedelta(seconds=20)
# What the token of the site's process is known by.
SITE_TOKEN = "local web site"  # noqa: S105


class PortInUse(ScopelineError):
    """Another program listens where the API or the site should."""

    code = "port_in_use"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running edition answers, the environment in which other commands find its stores, and what to know.

    `logs` names the files of those of its processes that do not write to its own standard error.
    """

    api: str
    site: str
    environment: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    logs: str = ""


@contextmanager
def local_edition(settings: Settings) -> Iterator[Addresses]:
    """Run the local edition for as long as the context lasts; it is entered when API and site answer.

    To be called before any thread is started: the readers' processes come from a fork server. A SystemExit that a
    signal's handler raises meanwhile ends the start, too. Raises PortInUse, DataFolderInUse, SiteFailed, Unavailable (a
    full disk, a folder that cannot be written).
    """
    with ExitStack() as stack:
        try:
            addresses = _start(stack, settings)
        except SystemExit:
            log.info("Stopping.")
            raise
        yield addresses
        log.info("Stopping.")


def _start(stack: ExitStack, settings: Settings) -> Addresses:
    """Start everything; the stack ends it again, also what was started before an error."""
    reader = stack.enter_context(reader_pool(settings))
    listening = _listen(settings.host, settings.port)
    stack.callback(listening.close)
    site_port = free_port(settings.host, settings.site_port)
    local_api = address(settings.host, listening.getsockname()[1])
    settings = settings.model_copy(
        update={
            "public_url": settings.public_url or local_api,
            "site_url": settings.site_url or address(settings.host, site_port),
        }
    )
    edition = stack.enter_context(embedded(settings))
    recover([edition.raw, edition.derived])
    _serve_api(stack, edition, listening)
    site = site_beside(stack, edition.backend, local_api, site_port)
    work = handlers(edition.backend, reader, None)
    early: dict[Topic, Handler] = {topic: handler for topic, handler in work.items() if topic not in WITH_SITE}
    deliver(stack, edition, early, reader)
    # Files are taken while the site starts; records wait for it.
    site.initialise()
    stack.callback(site.stop)
    site.start()
    publisher = CdcsSite(site.options.local_url, site.publisher_token())
    work = handlers(edition.backend, reader, publisher)
    deliver(stack, edition, {topic: work[topic] for topic in WITH_SITE}, reader)
    sweep_now_and_then(stack, edition.backend, SWEEP_SECONDS)
    return Addresses(api=str(settings.public_url), site=str(settings.site_url))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Two sockets may be bound to one port before either listens.
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            todo = "Stop the other program, or choose another port."
        else:
            todo = "Choose an address of this machine and a port that this user may take."
        raise PortInUse(f"Cannot listen on {host} port {port}: {error.strerror}. {todo}") from None
    return listening


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or with 0 any port that is free now. Raises PortInUse."""
    with _listen(host, wanted or unused_port(host)) as probe:
        return int(probe.getsockname()[1])


def _serve_api(stack: ExitStack, edition: Embedded, listening: socket.socket) -> None:
    """Answer API and upload requests in threads until the stack unwinds."""
    import waitress
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint
    from scopeline.api.application import create_application
    from scopeline.local.problem_answers import ProblemChannel

    largest = LARGEST_CHUNKS * edition.backend.settings.upload_chunk
    application = DispatcherMiddleware(
        create_application(edition.backend), {UPLOADS: UploadEndpoint(edition.raw, largest)}
    )
    connections: dict[int, object] = {}
    server = waitress.create_server(
        application,
        map=connections,
        sockets=[listening],
        threads=API_THREADS,
        max_request_body_size=largest + 1024 * 1024,
        ident=None,
    )
    server.channel_class = ProblemChannel
    thread = threading.Thread(target=server.run, name="api", daemon=True)

    def stop() -> None:
        # The requests that are being answered get their answers.
        server.task_dispatcher.shutdown(timeout=ANSWER_SECONDS)
        end_loop(server, connections)
        if thread.is_alive():
            thread.join(STOP_SECONDS)

    # Before the start: a signal may end that at any point.
    stack.callback(stop)
    thread.start()


def end_loop(server: Any, connections: dict[int, object]) -> None:
    """Have a waitress server's loop close everything and end.

    Closing it from here would take the sockets away under its select. The loop ends when no connection is left, so
    those that clients keep open are closed with it.
    """
    from waitress import wasyncore

    # Under the lock: a pull that is on its way would do it, and close the trigger, before this one is written.
    with server.trigger.lock:
        server.trigger.thunks.append(lambda: wasyncore.close_all(connections, ignore_all=True))
        server.trigger.pull_trigger()


def site_beside(stack: ExitStack, backend: Backend, api_url: str, port: int) -> SiteProcess:
    """The web site's process, with a token of its own for this run."""
    settings = backend.settings
    _revoke_forgotten(backend)
    token, text = make_token(backend, TokenKind.SITE, SITE_TOKEN)
    stack.callback(_revoke, backend, token.id)
    folder = settings.data_dir / "site"
    with storage_problems(f"Making the folder {folder}"):
        folder.mkdir(mode=0o700, exist_ok=True)
    options = SiteOptions(
        data_dir=folder,
        host=settings.host,
        port=port,
        url=str(settings.site_url),
        api_url=api_url,
        api_token=text,
        facility=settings.facility,
        anonymous=settings.anonymous,
    )
    return SiteProcess(options, folder / "site.log")


def _revoke(backend: Backend, token_id: str) -> None:
    """Revoke the site's token at the end; what ends the service must not be hidden by what it makes impossible."""
    try:
        revoke_token(backend, token_id)
    except ScopelineError as error:
        log.warning("The web site's token is revoked at the next start: %s", error)


def _revoke_forgotten(backend: Backend) -> None:
    """Revoke the site's tokens of runs that were killed."""
    for token in find_all(backend.catalog, Token, TOKENS):
        if token.kind is TokenKind.SITE and token.subject == SITE_TOKEN and token.revoked_at is None:
            revoke_token(backend, token.id)


class Closing(Protocol):
    """What handlers work with and can be taken from them."""

    def close(self) -> None:
        """End what is being done; those who wait for it are told so."""


def deliver(stack: ExitStack, edition: Embedded, work: Mapping[Topic, Handler], reader: Closing) -> None:
    """Deliver the topics of `work` until the stack unwinds. A handler that takes long then loses its reader."""
    readers = edition.backend.settings.readers
    reading = dict.fromkeys((Topic.OBJECT_FINALIZED, Topic.OBJECT_CHANGED), readers)
    worker = EventWorker(edition.events, work, reading, partial(gave_up, edition.backend))

    def stop() -> None:
        if not worker.stop(STOP_SECONDS):
            log.info("Files that are still being read are read again at the next start.")
            reader.close()
            worker.stop(STOP_SECONDS)

    # Before the start: a signal may end that at any point.
    stack.callback(stop)
    worker.start()


def sweep_now_and_then(stack: ExitStack, backend: Backend, every: float) -> None:
    """Do the regular work now and each `every` seconds, until the stack unwinds.

    At a start, what gave up for a transient reason is tried again at once: its reason may be why it was stopped.
    """
    at_start = True

    def work(is_stopping: IsStopping) -> None:
        nonlocal at_start
        if at_start:
            replay_transient(backend)
            at_start = False
        sweep(backend, partial(gave_up, backend), budget=SWEEP_BUDGET, is_stopping=is_stopping)

    do_regularly(stack, "sweep", every, work)
