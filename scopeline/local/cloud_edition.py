"""The Google Cloud edition on this machine: emulators, the functions as processes, the web site, a clock for `sweep`.

A file's way is the cloud's: bucket, notification, topic, push, function, Firestore. What own emulators keep is gone
with them, and so is what the web site keeps beside them.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from scopeline.adapters.data_folder import make_private_folder
from scopeline.adapters.gcp.topics import FLOWS
from scopeline.adapters.storage_errors import storage_problems
from scopeline.bootstrap import google
from scopeline.domain.errors import Conflict, ScopelineError, Unavailable
from scopeline.handlers import WITH_SITE, gave_up
from scopeline.local.cloud_settings import GONE_AT_ITS_END, emptied_folder, held_folder, on_emulators
from scopeline.local.emulators import Emulators
from scopeline.local.functions_process import FunctionProcess, function_environment, settings_environment
from scopeline.local.process import Addresses, free_port, site_beside
from scopeline.local.regularly import IsStopping, do_regularly
from scopeline.local.resources import living_endpoint, make_resources, make_subscriptions
from scopeline.local.site_process import SiteProcess, address
from scopeline.local.storage_emulator import EmulatorFailed
from scopeline.local.watch import ASK_SECONDS, LOOK_SECONDS, Watch
from scopeline.services.replay import replay_transient
from scopeline.settings import Settings

if TYPE_CHECKING:
    from scopeline.adapters.gcp.clients import Clients
    from scopeline.bootstrap import Google

log = logging.getLogger("scopeline.local")

# What other commands need beside the emulators to find the same edition.
NAMES = ("edition", "project", "raw_bucket", "derived_bucket", "database", "topic_prefix", "data_dir")
# Where Pub/Sub and Cloud Scheduler call; people's programs need `api` only.
LOOPBACK = "127.0.0.1"
# The folder of their logs.
FUNCTIONS = "functions"
PUSHED = tuple(flow.function for flow in FLOWS)
PUBLISHING = tuple(flow.function for flow in FLOWS if WITH_SITE.intersection(flow.events))
CALLED = (*PUSHED, "sweep")
SWEEP_EVERY_SECONDS = 15.0
# Longer than one slice of the sweep.
CALL_SECONDS = 330.0
# What is told to emulators at the end is worth no more.
LAST_CALL_SECONDS = 5.0


class ProjectInUse(Conflict):
    """Another edition takes the messages of the project."""

    code = "project_in_use"


@contextmanager
def cloud_edition(settings: Settings, end: Callable[[], None] = lambda: None) -> Iterator[Addresses]:
    """Run the Google Cloud edition for as long as the context lasts; it is entered when API and site answer.

    A SystemExit that a signal's handler raises meanwhile ends the start, too. Where an emulator of our own ends, `end`
    is called in another thread, and leaving the context raises EmulatorFailed. Raises EmulatorsMissing, EmulatorFailed,
    DataFolderInUse, FunctionFailed, PortInUse, ProjectInUse, SiteFailed, Unavailable.
    """
    with ExitStack() as stack:
        try:
            addresses, watch = _start(stack, settings, end)
        except SystemExit:
            log.info("Stopping.")
            raise
        yield addresses
        log.info("Stopping.")
        if watch.failure is not None:
            raise watch.failure


def _start(stack: ExitStack, settings: Settings, end: Callable[[], None]) -> tuple[Addresses, Watch]:
    """Start everything; the stack ends it again, also what was started before an error."""
    api_port = free_port(settings.host, settings.port)
    site_port = free_port(settings.host, settings.site_port)
    local_api = address(settings.host, api_port)
    settings, found = stack.enter_context(on_emulators(settings))
    settings = settings.model_copy(
        update={
            "public_url": settings.public_url or local_api,
            "site_url": settings.site_url or address(settings.host, site_port),
        }
    )
    stack.enter_context(held_folder(settings.data_dir))
    edition = stack.enter_context(google(settings))
    functions = _functions(settings, api_port)
    with _emulator_problems(found):
        _refuse_a_second_one(settings, edition.clients)
    if not found.started:
        stack.callback(_stop_pushing, settings, edition.clients, found)
    with _emulator_problems(found):
        make_resources(settings, edition.clients, {name: functions[name].url for name in PUSHED})
    # Files are taken while the site starts; records wait for it.
    _start_functions(stack, [process for name, process in functions.items() if name not in PUBLISHING])
    site = _prepare_site(stack, edition, found, local_api, site_port)
    publishing = [functions[name] for name in PUBLISHING]
    for publisher in publishing:
        publisher.environment |= {
            "SCOPELINE_RECORDS_URL": site.options.local_url,
            "SCOPELINE_RECORDS_TOKEN": site.publisher_token(),
        }
    _start_functions(stack, publishing)
    stack.callback(site.stop)
    site.start()
    for process in functions.values():
        process.wait_until_ready()
    if not found.started:
        _try_again(edition)
    call_now_and_then(stack, functions["sweep"].url, SWEEP_EVERY_SECONDS)
    # The first to be done at the end.
    for process in functions.values():
        stack.callback(process.begin_stop)
    watch = Watch(functions.values(), found, end, ASK_SECONDS)
    do_regularly(stack, "watch", LOOK_SECONDS, watch.look)
    environment = {**found.environment(), **_names(settings)}
    notice = GONE_AT_ITS_END if found.started else ""
    logs = f"{settings.data_dir / FUNCTIONS}/*.log"
    return Addresses(str(settings.public_url), str(settings.site_url), environment, notice, logs), watch


def _try_again(edition: Google) -> None:
    """Deliver again what gave up while nothing ran, as the local edition does at each start."""
    try:
        edition.events.maintain(partial(gave_up, edition.backend))
        replay_transient(edition.backend)
    except ScopelineError as error:
        log.warning("What gave up before waits for the sweep: %s", error)


def _refuse_a_second_one(settings: Settings, clients: Clients) -> None:
    """Raise ProjectInUse where a running edition would lose its messages to this one."""
    if endpoint := living_endpoint(settings, clients):
        raise ProjectInUse(
            f"Another Scopeline works with the project {settings.project} on these emulators: its functions answer at "
            f"{endpoint}. Stop it, or give this one another project: unset what begins with SCOPELINE_ and "
            "export SCOPELINE_PROJECT=another."
        )


@contextmanager
def _emulator_problems(found: Emulators) -> Iterator[None]:
    """Raise what Google's clients raise inside as EmulatorFailed."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        words = (str(error).splitlines() or [""])[0][:300]
        where = ", ".join(f"{name}={value}" for name, value in found.environment().items())
        raise EmulatorFailed(
            found.ended()
            or f"The emulators did not do what they were asked ({where}): {type(error).__name__}: {words}. Start them "
            "again, and then this."
        ) from error


def _stop_pushing(settings: Settings, clients: Clients, found: Emulators) -> None:
    """Let messages wait for the next start, in emulators that go on: they would call what is gone for ever."""
    if found.silent():
        return
    try:
        with _emulator_problems(found):
            make_subscriptions(settings, clients, {}, LAST_CALL_SECONDS)
    except EmulatorFailed as error:
        log.warning("The emulators go on calling functions that have ended: %s", error)


def _prepare_site(stack: ExitStack, edition: Google, found: Emulators, api_url: str, port: int) -> SiteProcess:
    """The web site's process, prepared and not started. Its token is revoked at the end, where that is still kept."""
    ending = ExitStack()

    def end() -> None:
        if not found.silent():
            ending.close()

    stack.callback(end)
    site = site_beside(ending, edition.backend, api_url, port)
    site.initialise()
    return site


def _functions(settings: Settings, api_port: int) -> dict[str, FunctionProcess]:
    """The functions' processes, not started yet, by their entry points."""
    folder = settings.data_dir / FUNCTIONS
    with storage_problems(f"Making the folder {folder}"):
        make_private_folder(folder)
    # What a killed function leaves behind is removed at the next start.
    scratch = {"TMPDIR": str(emptied_folder(settings.data_dir / "tmp"))}
    places = {"api": (settings.host, api_port), **{name: (LOOPBACK, free_port(LOOPBACK, 0)) for name in CALLED}}
    return {
        name: FunctionProcess(name, host, port, function_environment(settings, name) | scratch, folder / f"{name}.log")
        for name, (host, port) in places.items()
    }


def _start_functions(stack: ExitStack, processes: Collection[FunctionProcess]) -> None:
    for process in processes:
        stack.callback(process.stop)
        process.start()
    # They end at the same time, too.
    for process in processes:
        stack.callback(process.begin_stop)


def _names(settings: Settings) -> dict[str, str]:
    """The environment by which other commands find the same edition."""
    given = settings_environment(settings)
    return {variable: given[variable] for variable in (f"SCOPELINE_{name.upper()}" for name in NAMES)}


def call_now_and_then(stack: ExitStack, url: str, every: float) -> None:
    """Call the function `sweep` now and every so many seconds, as Cloud Scheduler does, until the stack unwinds."""

    def call(_is_stopping: IsStopping) -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=b"", method="POST"), timeout=CALL_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            with error:
                raise Unavailable(f"The function at {url} answered {error.code}. Its log says why.") from error
        except OSError as error:
            raise Unavailable(f"The function at {url} cannot be called now: {error}") from error

    do_regularly(stack, "sweep", every, call)
