"""Google Cloud on this machine: emulators of Cloud Storage, Firestore and Pub/Sub, for development and tests.

`python -m scopeline.local.emulators` starts all three, prints how programs find them, and runs until Ctrl-C;
with `-- COMMAND...` it runs COMMAND with them and returns its status.

Firestore's and Pub/Sub's come with Google's Cloud SDK and need Java. Cloud Storage's is the program in
`tests/gcs_emulator` of the checkout, built with Go when it is first needed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from types import FrameType

from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.local.child import bound_command, end_child
from scopeline.local.storage_emulator import EmulatorFailed, EmulatorsMissing, storage_binary
from scopeline.local.unused_ports import unused_port
from scopeline.proxies import bypass_proxies_on_this_machine

STORAGE_VARIABLE = "STORAGE_EMULATOR_HOST"
FIRESTORE_VARIABLE = "FIRESTORE_EMULATOR_HOST"
PUBSUB_VARIABLE = "PUBSUB_EMULATOR_HOST"

START_SECONDS = 120.0
STOP_SECONDS = 10.0
ANSWER_SECONDS = 5.0
PROBE_SECONDS = 3.0
LOOK_SECONDS = 0.5
# Short lives do not pay for the optimising compiler; the heap is a bound, most tests fill a tenth of it.
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g", "-Duser.language=en")


@dataclass(frozen=True, slots=True)
class Started:
    """An emulator (`storage`, `firestore`, `pubsub`) that this process started, and where its words go."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path


@dataclass(frozen=True, slots=True)
class Emulators:
    """Where the emulators answer, as Google's clients want to be told.

    `storage` is a URL (`http://127.0.0.1:4443`), `firestore` and `pubsub` are `host:port`. `started` are the processes
    of those that this process started.
    """

    storage: str
    firestore: str
    pubsub: str
    started: tuple[Started, ...] = field(default=(), repr=False)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process of each that this process started, by name."""
        return {one.name: one.child.pid for one in self.started}

    def environment(self) -> dict[str, str]:
        """The environment variables by which Google's clients find them."""
        return {
            STORAGE_VARIABLE: self.storage,
            FIRESTORE_VARIABLE: self.firestore,
            PUBSUB_VARIABLE: self.pubsub,
        }

    def silent(self) -> list[str]:
        """The variables at whose address nobody answers now; asks for a few seconds at most."""
        named = self.environment()
        with ThreadPoolExecutor(len(named)) as asking:
            answers = dict(zip(named, asking.map(_is_there, named.values()), strict=True))
        return [name for name, is_there in answers.items() if not is_there]

    def ended(self) -> str:
        """What there is to say of one that this process started and that has ended; nothing while all run."""
        for one in self.started:
            if (status := one.child.poll()) is not None:
                return f"The {one.name} emulator ended with status {status}: {_last_words(one.log)}"
        return ""


@dataclass(frozen=True, slots=True)
class Programs:
    """The command lines' parts that depend on the machine."""

    java: Path
    firestore_jar: Path
    pubsub_jar: Path
    storage: Path


def running_emulators() -> Emulators | None:
    """The emulators that the environment names; None where it names none. Raises InvalidInput where it names some."""
    names = (STORAGE_VARIABLE, FIRESTORE_VARIABLE, PUBSUB_VARIABLE)
    storage, firestore, pubsub = (os.environ.get(name, "") for name in names)
    if not (storage or firestore or pubsub):
        return None
    if missing := [name for name in names if not os.environ.get(name)]:
        raise InvalidInput(
            f"The environment names some emulators and not {' and '.join(missing)}. Expected all three or none: set "
            "what `scripts/emulators` prints, or unset the others.",
            code="bad_setting",
        )
    return Emulators(storage=storage, firestore=firestore, pubsub=pubsub)


@contextlib.contextmanager
def emulators(scratch: Path | None = None) -> Iterator[Emulators]:
    """Emulators of our own on free ports, for as long as the context lasts; they also end when this process does.

    What they say is kept in a folder below `scratch` (the system's) meanwhile.
    Raises EmulatorsMissing where a program is not there, and EmulatorFailed with an emulator's last words.
    """
    programs = find_programs()
    hosts = {name: f"127.0.0.1:{unused_port('127.0.0.1')}" for name in ("pubsub", "firestore", "storage")}
    commands = {
        "pubsub": _java(programs, "-jar", str(programs.pubsub_jar), *_listen(hosts["pubsub"])),
        "firestore": _java(
            programs,
            "-cp",
            str(programs.firestore_jar),
            "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
            "start",
            *_listen(hosts["firestore"]),
        ),
        "storage": [str(programs.storage), "-addr", hosts["storage"]],
    }
    with tempfile.TemporaryDirectory(prefix="scopeline-emulators-", dir=scratch) as logs, ExitStack() as ending:
        children: dict[str, subprocess.Popen[bytes]] = {}
        ending.callback(_end, children)
        for name, command in commands.items():
            children[name] = _start(command, Path(logs) / name, pubsub=hosts["pubsub"])
        deadline = time.monotonic() + START_SECONDS
        for name, child in children.items():
            _wait_until_ready(name, child, hosts[name], Path(logs) / name, deadline)
        yield Emulators(
            storage=f"http://{hosts['storage']}",
            firestore=hosts["firestore"],
            pubsub=hosts["pubsub"],
            started=tuple(Started(name, child, Path(logs) / name) for name, child in children.items()),
        )


def find_programs() -> Programs:
    """What the emulators consist of; builds Cloud Storage's where that is needed. Raises EmulatorsMissing."""
    java = shutil.which("java")
    if java is None:
        raise EmulatorsMissing(
            "There is no java on the PATH, which the Firestore and Pub/Sub emulators need. Install Java 17 or later"
            " (Debian and Ubuntu: apt-get install default-jre-headless)."
        )
    platform = _sdk_folder() / "platform"
    return Programs(
        java=Path(java),
        firestore_jar=_jar(platform, "cloud-firestore-emulator/cloud-firestore-emulator.jar"),
        pubsub_jar=_jar(platform, "pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"),
        storage=storage_binary(),
    )


def _sdk_folder() -> Path:
    if named := os.environ.get("CLOUDSDK_ROOT_DIR"):
        return Path(named)
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise EmulatorsMissing(
            "There is no gcloud on the PATH, with which the Firestore and Pub/Sub emulators come. Install the Google"
            " Cloud SDK (https://cloud.google.com/sdk/docs/install), or set CLOUDSDK_ROOT_DIR to its folder."
        )
    return Path(gcloud).resolve().parent.parent


def _jar(platform: Path, pattern: str) -> Path:
    found = sorted(platform.glob(pattern))
    if not found:
        component = pattern.partition("/")[0]
        raise EmulatorsMissing(
            f"There is no {pattern} in {platform}. Install it: gcloud components install {component}, or on Debian and"
            f" Ubuntu: apt-get install google-cloud-cli-{component.removeprefix('cloud-')}. Where the Cloud SDK is in"
            " another folder, set CLOUDSDK_ROOT_DIR."
        )
    return found[-1]


def _java(programs: Programs, *arguments: str) -> list[str]:
    return [str(programs.java), *JAVA_OPTIONS, *arguments]


def _listen(address: str) -> tuple[str, str]:
    host, _, port = address.partition(":")
    return f"--host={host}", f"--port={port}"


def _start(command: Sequence[str], log: Path, *, pubsub: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        return subprocess.Popen(
            bound_command(*command),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, PUBSUB_VARIABLE: pubsub},
            process_group=0,  # Ctrl-C ends them by us, when what uses them has ended
        )


def _wait_until_ready(name: str, child: subprocess.Popen[bytes], address: str, log: Path, deadline: float) -> None:
    path = "/_internal/healthcheck" if name == "storage" else "/"
    while not _answers(f"http://{address}{path}"):
        if child.poll() is not None:
            raise EmulatorFailed(f"The {name} emulator ended with status {child.returncode}: {_last_words(log)}")
        if time.monotonic() > deadline:
            raise EmulatorFailed(
                f"The {name} emulator did not answer on {address} within {START_SECONDS:.0f} s: {_last_words(log)}"
            )
        time.sleep(0.05)


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-5:]) or "it said nothing."


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_there(address: str) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    # A proxy would answer for what is not there.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address if "://" in address else f"http://{address}/", timeout=PROBE_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, HTTPException, ValueError):
        return False


def _end(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for child in children.values():
        # A test may have stopped it.
        child.send_signal(signal.SIGCONT)
        child.terminate()
    for child in children.values():
        end_child(child, STOP_SECONDS)


def _run(command: Sequence[str], started: Emulators) -> int:
    """The status of a command that is run with the emulators, as a shell would say it."""
    with subprocess.Popen(bound_command(*command), env={**os.environ, **started.environment()}) as child:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to the command, too: let it say what it has to say.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            raise
        finally:
            if child.poll() is None:
                end_child(child, STOP_SECONDS)
    return status if status >= 0 else 128 - status


def _raise_exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the emulators, alone or for a command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scopeline.local.emulators", description=(__doc__ or "").strip())
    parser.add_argument("--check", action="store_true", help="only say whether all that is needed is there")
    parser.add_argument("command", nargs="*", help="what to run with the emulators; without: print their addresses")
    given = parser.parse_args(arguments)
    bypass_proxies_on_this_machine(os.environ)
    signal.signal(signal.SIGTERM, _raise_exit)
    # Shells let what they start in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if given.check:
            find_programs()
            return 0
        with emulators() as started:
            if given.command:
                return _run(given.command, started)
            print("\n".join(f"export {name}={value}" for name, value in started.environment().items()), flush=True)
            while not (words := started.ended()):
                time.sleep(LOOK_SECONDS)
            raise EmulatorFailed(f"{words} What was stored is gone with it. Start them again.")
    except ScopelineError as error:
        print(f"{error} ({error.code})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130 if given.command else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
