"""The options of ``fourfold serve``, with its limits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fourfold.core.options import Options
from fourfold.core.params import Param


@dataclass(frozen=True)
class ServeOptions(Options):
    """How to serve. Every field has a default that suits one household on one computer."""

    host: Annotated[str, Param("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Param("Port to listen on, 0 for any that is free.", 0, 65535)] = 8484
    workers: Annotated[int, Param("Processes that upscale; each takes all processor threads.", 1, 64)] = 1
    folder: Annotated[Path | None, Param("Where photos and results lie; auto is fourfold's own.", auto=True)] = None
    database: Annotated[
        str | None, Param("PostgreSQL by its URL, for several servers; auto is SQLite in the folder.", auto=True)
    ] = None
    max_megabytes: Annotated[float, Param("Largest upload, in megabytes.", 0.01, 10_000)] = 64.0
    max_megapixels: Annotated[float, Param("Largest photo, in megapixels.", 0.01, 300)] = 50.0
    max_waiting: Annotated[int, Param("Jobs that may wait; more are asked to come later.", 1, 1_000_000)] = 256
    max_seconds: Annotated[float, Param("Longest time for one photo, in seconds.", 1, 86_400)] = 900.0
    max_memory: Annotated[int, Param("Most memory for one worker, in MB.", 512, 1_000_000)] = 4096
    keep_hours: Annotated[float, Param("How long results are kept, in hours.", 0.001, 100_000)] = 24.0
    lease_seconds: Annotated[
        float, Param("Seconds of silence after which another server does the job of one that vanished.", 1, 3600)
    ] = 15.0
    name: Annotated[
        str | None, Param("Host name that a proxy in front of the service is reached by, such as photos.example.org.")
    ] = None
    certificate: Annotated[Path | None, Param("Certificate to serve HTTPS with, PEM; needs --key.")] = None
    key: Annotated[Path | None, Param("Private key of the certificate, PEM.")] = None

    @property
    def place(self) -> Path:
        """The folder, as given or fourfold's own."""
        if self.folder is not None:
            return self.folder.resolve()
        from platformdirs import user_data_path  # not needed to build the command line

        return user_data_path("fourfold", appauthor=False) / "serve"

    @property
    def url(self) -> str:
        """The database as SQLAlchemy names it."""
        if self.database is None:
            return f"sqlite:///{self.place / 'jobs.sqlite'}"
        return self.database.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def max_bytes(self) -> int:
        """Largest upload in bytes."""
        return int(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Largest photo in pixels."""
        return int(self.max_megapixels * 1e6)
