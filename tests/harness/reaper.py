"""Ends servers that outlive the tests that started them.

Fixtures stop their servers. But a process of tests that is itself killed has no time to, and one that is interrupted has
ten seconds under pytest-xdist. So each tells a process beside it whom it starts; that one sees its own input end when the
tests are gone, however they went, and kills what is left.
"""

import os
import signal
import subprocess
import sys

reaper: subprocess.Popen | None = None


def dies_with_us(pid: int) -> None:
    """Has this child of ours killed when we are gone."""
    global reaper
    if reaper is None:
        # In a session of its own, so that Ctrl-C does not reach it.
        reaper = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  text=True, bufsize=1, start_new_session=True)
    reaper.stdin.write(f"{pid}\n")


def main() -> None:
    # Unlike numbers, these are never another process's.
    children = []
    for line in sys.stdin:
        try:
            children.append(os.pidfd_open(int(line)))
        except ProcessLookupError:
            pass
    for child in children:
        try:
            signal.pidfd_send_signal(child, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main()
