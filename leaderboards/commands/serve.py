"""`cotgap board serve`: build the boards and show them on this machine."""

from __future__ import annotations

import tempfile
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rich.console import Console

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.commands.build import write_pages
from cotgap.leaderboards.options import ServeOptions

HOST = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class Pages(SimpleHTTPRequestHandler):
    """The site's files, and nothing else: no listings, no log."""

    def end_headers(self) -> None:
        """Send the headers that a page's own `meta` cannot."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """Refuse: a folder without an `index.html` shows nothing."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def execute(options: ServeOptions) -> None:
    """Build (into a folder that is removed in the end, if none is given) and serve until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="cotgap-boards-") as scratch:
        folder = options.out or Path(scratch) / "site"
        try:
            server = ThreadingHTTPServer(
                (HOST, options.port), partial(Pages, directory=str(folder))
            )
        except OSError as error:
            raise CoTGapError(
                f"--port {options.port}: {error}. Give another one, or 0 for any"
            ) from error
        with server:
            console = Console()
            console.print("building the site", style="dim")
            write_pages(folder, options.entries.entries)
            console.print(f"http://{HOST}:{server.server_port}/ (Ctrl-C stops)", highlight=False)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                console.print("stopped", style="dim")
