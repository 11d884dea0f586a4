"""Both ends of a measuring process: each runs apart, so that none waits for another's Python.

parent                              child (python -m hotline.bench.child KIND)
  job as one JSON line  ──stdin──►  sets itself up
                        ◄─stdout──  "ready"
  closes stdin          ──stdin──►  stops
                        ◄─stdout──  result as one JSON line
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

KINDS = {
    "pages": "hotline.bench.pages:watch",
    "our wire": "hotline.bench.wires:watch_ours",
    "pyst2": "hotline.bench.wires:watch_pyst2",
    "chromium": "hotline.bench.browsers:watch",
    "ledger": "hotline.bench.ledger:watch",
    "leaders": "hotline.bench.leaders:watch",
    "floor screens": "hotline.bench.floor_screens:watch",
    "made floor": "hotline.bench.made_floor:watch",
    "desktops": "hotline.load.desktops:watch",
}
"""kind -> function(job, ready, stop) -> result."""

Watch = Callable[[dict[str, Any], Callable[[], None], threading.Event], dict[str, Any]]


class ChildFailed(Exception):
    """A measuring process ended early; the text is its last words."""


class Child:
    """The parent's end: started at once; `ready()` waits, `result()` stops it and gives what it measured."""

    def __init__(self, kind: str, job: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.kind = kind
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hotline.bench.child", kind],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(dict(job)) + "\n")
        self.process.stdin.flush()

    def ready(self) -> Child:
        """Return when it measures; some say a second time that they are so far. Raises ChildFailed."""
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise self._failure()
        return self

    def result(self, timeout: float = 60) -> dict[str, Any]:
        """Stop it and give its result. Raises ChildFailed, subprocess.TimeoutExpired."""
        out, err = self.process.communicate(timeout=timeout)
        if self.process.returncode or not out.strip():
            raise ChildFailed(f"{self.kind}: {_last_words(err)}")
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def _failure(self) -> ChildFailed:
        _, err = self.process.communicate(timeout=10)
        return ChildFailed(f"{self.kind}: {_last_words(err)}")


def _last_words(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1] or "ended without a word"


def main() -> None:
    """The child's end."""
    module, _, name = KINDS[sys.argv[1]].partition(":")
    watch: Watch = getattr(importlib.import_module(module), name)
    job = json.loads(sys.stdin.readline())
    stop = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    result = watch(job, lambda: print("ready", flush=True), stop)
    print(json.dumps(result), flush=True)
    os._exit(0)  # pyst2's threads would hold the process for ever


if __name__ == "__main__":
    main()
