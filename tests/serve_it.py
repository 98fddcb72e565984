"""A real server in its own process, and photos to send to it."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests
from PIL import Image


def jpeg(width=24, height=20, seed=0) -> bytes:
    """A photo with something in it."""
    levels = np.random.default_rng(seed).integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(data, "JPEG", quality=95)
    return data.getvalue()


@dataclass
class Server:
    """``fourfold serve`` as a person starts it; ``ask`` speaks to it."""

    folder: Path
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> "Server":
        command = [sys.executable, "-m", "fourfold", "serve", "--port", "0", "--folder", str(self.folder), *self.flags]
        environment = {**os.environ, "FOURFOLD_THREADS": "2", **self.environment}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        self.greeting = ""
        while not (found := re.search(r"(https?://\S+?)/(\?token=(\S+))?\s", self.greeting)):
            line = self.process.stderr.readline()
            assert line, f"the server ended: {self.greeting}"
            self.greeting += line
        self.url, self.token = f"http://127.0.0.1:{found[1].rpartition(':')[2]}", found[3]
        while self.ask("GET", "/v1/health").json()["workers"] == 0:
            time.sleep(0.05)
        return self

    def ask(self, method, path, **more) -> requests.Response:
        return requests.request(method, self.url + path, timeout=180, **more)

    def create(self, photo: bytes, path="/v1/jobs", headers=None, **fields) -> requests.Response:
        files = {"photo": ("my photo.jpg", photo)}
        return self.ask("POST", path, files=files, data=fields, headers=headers)

    def job(self, identifier: str) -> dict:
        return self.ask("GET", f"/v1/jobs/{identifier}").json()

    def over(self, identifier: str, seconds=180) -> dict:
        """The job once it is over."""
        return self.until(identifier, lambda job: job["state"] in ("succeeded", "failed", "cancelled"), seconds)

    def until(self, identifier, holds, seconds=180) -> dict:
        end = time.monotonic() + seconds
        while not holds(job := self.job(identifier)):
            assert time.monotonic() < end, job
            time.sleep(0.05)
        return job

    def workers(self) -> list[int]:
        return [int(pid) for pid in _children(self.process.pid)]

    def kill(self) -> None:
        """As a power cut would: the server and, by themselves, its workers."""
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        end = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in workers):
            assert time.monotonic() < end, "a worker outlived its server"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self.process.stderr.close()

    def memory_mb(self) -> int:
        """Of the server alone."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096 >> 20


def _children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text().split()]
