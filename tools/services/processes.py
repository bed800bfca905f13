"""A child process that cannot outlive this one, with its output in a file."""

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class ServiceError(Exception):
    """Something cannot be installed or started; the text says what to do."""


class Process:
    """One child, which can be started again after it ended.

    The kernel kills it when the thread that started it ends, however that happens: start it in a thread that lives on.
    """

    def __init__(self, command, directory, log):
        self.command = [str(word) for word in command]
        self.directory = directory
        self.log = log
        self.child = None
        self.is_paused = False
        self.log_begin = 0

    def start(self):
        assert not self.is_running()
        self.log_begin = self.log.stat().st_size if self.log.exists() else 0
        self.is_paused = False
        parent = os.getpid()

        def die_with_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
        atexit.register(self.kill)

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        self.signal(signal.SIGKILL)
        self.reap()

    def terminate(self):
        """Asks it to end; `reap` waits for that."""
        self.resume()
        self.signal(signal.SIGTERM)

    def reap(self, patience_s=None):
        """Waits for its end, which comes by force after that long; whether none was needed."""
        atexit.unregister(self.kill)
        if self.child is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(patience_s)
            return True
        self.kill()
        return False

    def pause(self):
        self.signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self):
        self.signal(signal.SIGCONT)
        self.is_paused = False

    def signal(self, number):
        if self.is_running():
            self.child.send_signal(number)

    def log_text(self, since_start=False):
        """What it has said, in all its starts or in the last."""
        with self.log.open("rb") as log:
            log.seek(self.log_begin if since_start else 0)
            return log.read().decode(errors="replace")

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise ProcessLookupError(self.pid)


def wait_until(condition, patience_s):
    """Whether `condition` came true in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
