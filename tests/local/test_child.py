"""Children that end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import living, wait_for

from scopeline.local.child import bound_command, end_child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="binding children to their parent is Linux's prctl(2)")

# Starts a bound child, which says its process id in a file, and waits.
PARENT = """
import subprocess, sys
from scopeline.local.child import bound_command, end_child
child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
subprocess.Popen(bound_command(sys.executable, "-c", child, sys.argv[1])).wait()
"""


def parent_with_child(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    said = folder / "child"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(said)], start_new_session=True)
    child = wait_for("the child's process id", lambda: said.is_file() and said.read_text())
    return parent, int(child)


def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent, child = parent_with_child(tmp_path)
    assert child in living(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=30)
    wait_for("the end of the child", lambda: child not in living(parent.pid))


def test_child_is_the_command_itself(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getpid(), os.getppid(), sys.argv[1:])"
    child = subprocess.Popen(bound_command(sys.executable, "-c", code, "a b", "--c"), stdout=subprocess.PIPE, text=True)
    said, _ = child.communicate(timeout=30)
    assert said.strip() == f"{child.pid} {os.getpid()} ['a b', '--c']"
    assert child.returncode == 0


def test_status_of_the_command_is_the_childs() -> None:
    assert subprocess.run(bound_command(sys.executable, "-c", "raise SystemExit(7)"), check=False).returncode == 7


def test_command_does_not_start_where_its_parent_has_ended_already(tmp_path: Path) -> None:
    command = bound_command("touch", str(tmp_path / "made"))
    command[3] = "1"  # as if the parent that asked for it were another one, which is gone
    done = subprocess.run(command, check=False, timeout=30)
    assert done.returncode == 1
    assert not (tmp_path / "made").exists()


def test_child_that_is_asked_to_end_has_its_own_status() -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print(flush=True); signal.pause()"
    )
    with subprocess.Popen(bound_command(sys.executable, "-c", code), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert end_child(child, 30) == 3


def test_child_that_does_not_end_is_killed() -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen(bound_command(sys.executable, "-c", code), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert end_child(child, 0.05) == -signal.SIGKILL
