"""Child processes that end when their parent does, even if that was killed.

`python -m scopeline.local.child PARENT COMMAND...` asks the kernel for that and becomes COMMAND, which keeps the wish.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

# As shells say it.
COMMAND_NOT_FOUND = 127
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def bound_command(*command: str) -> list[str]:
    """The command line that runs `command` as a child that does not outlive this process."""
    return [sys.executable, "-m", "scopeline.local.child", str(os.getpid()), *command]


def end_child(child: subprocess.Popen[Any], seconds: float) -> int:
    """Ask the child to end, kill it where it does not within `seconds`; its exit status."""
    child.terminate()
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def end_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends; ends at once where that has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before the wish was made.
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Bind this process to its parent, then become the given command."""
    parent, *command = sys.argv[1:]
    end_with(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}.", file=sys.stderr)
        sys.exit(COMMAND_NOT_FOUND)


if __name__ == "__main__":
    main()
