"""The desktop under gunicorn: one worker, many threads, because each open page holds one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from agent_desktop.heaps import keep_few_heaps
from hotline.settings import Settings, load

if TYPE_CHECKING:
    from agent_desktop.app import Parts

GRACE_SECONDS = 1


class Server(BaseApplication):
    """gunicorn with our settings; the application is made in the worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts: Parts | None = None
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": f"{self._settings.web_address}:{self._settings.web_port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.web_threads,
            "worker_connections": self._settings.web_threads * 2,
            "graceful_timeout": GRACE_SECONDS,
            "timeout": 60,
            "keepalive": 30,
            "control_socket_disable": True,
            "proc_name": "hotline-desktop",
            "post_worker_init": self._leave_quickly,
            "worker_exit": _gone,
            "accesslog": None,
            "logger_class": Log,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        # Only the worker loads the application: the master stays small and ends at once.
        from agent_desktop.app import create_app

        self._parts = create_app(self._settings)
        return self._parts.app

    def _leave_quickly(self, worker: Any) -> None:
        """On SIGTERM let the pages go first: gunicorn alone would wait for every open socket."""

        def leave(number: int, frame: FrameType | None) -> None:
            if self._parts is not None:
                threading.Thread(target=self._parts.close, daemon=True).start()
            worker.handle_exit(number, frame)

        signal.signal(signal.SIGTERM, leave)


def _gone(_arbiter: Any, _worker: Any) -> None:
    """The worker has ended its requests: go, without waiting for threads that hang in a socket."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)


def log_to_stderr() -> None:
    """One line for each event, ours and the libraries', on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    line = logging.StreamHandler(sys.stderr)
    line.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [line]
    root.setLevel(logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)


class Log(Logger):
    """gunicorn's messages go the way of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def main() -> None:
    """Run the desktop until SIGTERM."""
    settings = load()
    if not (settings.session_key and settings.link_token):
        sys.exit("HOTLINE_SESSION_KEY and HOTLINE_LINK_TOKEN must be set: `make run` makes them")
    log_to_stderr()
    keep_few_heaps()
    Server(settings).run()
