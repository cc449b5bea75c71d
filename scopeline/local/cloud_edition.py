"""The Google Cloud edition on this machine: emulators, the functions as processes, the web site, a clock for `sweep`.

A file's way is the cloud's: bucket, notification, topic, push, function, Firestore. What the emulators keep is gone
with them.
"""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from scopeline.adapters.embedded.private_folder import make_private_folder
from scopeline.adapters.embedded.storage_errors import storage_problems
from scopeline.adapters.gcp.topics import FLOWS
from scopeline.bootstrap import google
from scopeline.domain.errors import Unavailable
from scopeline.local.emulators import Emulators, emulators, running_emulators
from scopeline.local.functions_process import FunctionProcess, settings_environment
from scopeline.local.process import Addresses, free_port, site_beside
from scopeline.local.regularly import IsStopping, do_regularly
from scopeline.local.resources import make_resources, make_subscriptions
from scopeline.local.site_process import address
from scopeline.settings import Settings, default_data_folder

if TYPE_CHECKING:
    from scopeline.adapters.gcp.clients import Clients

log = logging.getLogger("scopeline.local")

PROJECT = "scopeline-local"
# What other commands need beside the emulators to find the same edition.
NAMES = ("edition", "project", "raw_bucket", "derived_bucket", "database", "topic_prefix", "data_dir")
# Where Pub/Sub and Cloud Scheduler call; people's programs need `api` only.
LOOPBACK = "127.0.0.1"
PUSHED = tuple(flow.function for flow in FLOWS)
CALLED = (*PUSHED, "sweep")
SWEEP_EVERY_SECONDS = 15.0
# Longer than one slice of the sweep.
CALL_SECONDS = 330.0


def with_names(settings: Settings) -> Settings:
    """The settings with a project, buckets and a folder of this edition where they name none."""
    project = settings.project or PROJECT
    named: dict[str, Any] = {
        "edition": "gcp",
        "project": project,
        "raw_bucket": settings.raw_bucket or f"{project}-raw",
        "derived_bucket": settings.derived_bucket or f"{project}-derived",
    }
    if "data_dir" not in settings.model_fields_set:
        # The local edition's web site is in the other folder.
        named["data_dir"] = default_data_folder() / "gcp"
    return settings.model_copy(update=named)


@contextmanager
def found_emulators() -> Iterator[Emulators]:
    """The emulators that the environment names, else own ones; Google's clients of this process find them meanwhile.

    Raises EmulatorsMissing, EmulatorFailed.
    """
    found = running_emulators()
    if found is not None:
        yield found
        return
    with emulators() as started:
        before = {name: os.environ.get(name) for name in started.environment()}
        os.environ.update(started.environment())
        try:
            yield started
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def cloud_edition(settings: Settings) -> Iterator[Addresses]:
    """Run the Google Cloud edition for as long as the context lasts; it is entered when API and site answer.

    A SystemExit that a signal's handler raises meanwhile ends the start, too. Raises EmulatorsMissing, EmulatorFailed,
    FunctionFailed, PortInUse, SiteFailed, Unavailable.
    """
    with ExitStack() as stack:
        try:
            addresses = _start(stack, with_names(settings))
        except SystemExit:
            log.info("Stopping.")
            raise
        yield addresses
        log.info("Stopping.")


def _start(stack: ExitStack, settings: Settings) -> Addresses:
    """Start everything; the stack ends it again, also what was started before an error."""
    api_port = free_port(settings.host, settings.port)
    site_port = free_port(settings.host, settings.site_port)
    local_api = address(settings.host, api_port)
    settings = settings.model_copy(
        update={
            "public_url": settings.public_url or local_api,
            "site_url": settings.site_url or address(settings.host, site_port),
        }
    )
    with storage_problems(f"Making the folder {settings.data_dir}"):
        make_private_folder(settings.data_dir)
    found = stack.enter_context(found_emulators())
    edition = stack.enter_context(google(settings))
    functions = _functions(settings, api_port)
    if not found.pids:
        stack.callback(_stop_pushing, settings, edition.clients)
    make_resources(settings, edition.clients, {name: functions[name].url for name in PUSHED})
    # Files are taken while the site starts; records wait for it.
    early = [process for name, process in functions.items() if name != "publish_record"]
    _start_functions(stack, early)
    site = site_beside(stack, edition.backend, local_api, site_port)
    site.initialise()
    publisher = functions["publish_record"]
    publisher.environment |= {
        "SCOPELINE_RECORDS_URL": site.options.local_url,
        "SCOPELINE_RECORDS_TOKEN": site.publisher_token(),
    }
    _start_functions(stack, [publisher])
    stack.callback(site.stop)
    site.start()
    for process in functions.values():
        process.wait_until_ready()
    call_now_and_then(stack, functions["sweep"].url, SWEEP_EVERY_SECONDS)
    # The first to be done at the end, so that they end at the same time.
    for process in functions.values():
        stack.callback(process.begin_stop)
    return Addresses(str(settings.public_url), str(settings.site_url), {**found.environment(), **_names(settings)})


def _stop_pushing(settings: Settings, clients: Clients) -> None:
    """Let messages wait for the next start, in emulators that go on: they would call what is gone for ever."""
    from google.api_core.exceptions import GoogleAPICallError

    try:
        make_subscriptions(settings, clients, {})
    except GoogleAPICallError as error:
        log.warning("The emulators go on calling functions that have ended: %s", error)


def _functions(settings: Settings, api_port: int) -> dict[str, FunctionProcess]:
    """The functions' processes, not started yet, by their entry points."""
    folder = settings.data_dir / "functions"
    with storage_problems(f"Making the folder {folder}"):
        make_private_folder(folder)
    places = {"api": (settings.host, api_port), **{name: (LOOPBACK, free_port(LOOPBACK, 0)) for name in CALLED}}
    return {
        name: FunctionProcess(name, host, port, settings_environment(settings), folder / f"{name}.log")
        for name, (host, port) in places.items()
    }


def _start_functions(stack: ExitStack, processes: Iterable[FunctionProcess]) -> None:
    for process in processes:
        stack.callback(process.stop)
        process.start()


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
