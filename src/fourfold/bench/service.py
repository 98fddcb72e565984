"""Measure the service: its overhead over a plain call, and its behaviour under two hundred uploads."""

import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from fourfold.api.restore import restored
from fourfold.api.session import Session
from fourfold.bench.speed import Spread, busy, load_average, spread, spread_table
from fourfold.core.options import UpscaleOptions
from fourfold.core.threads import available

_UPLOADS, _AT_ONCE = 200, 50
_SIDES = (480, 320)


@dataclass(frozen=True)
class ServiceReport:
    """A finished measurement.

    Attributes:
        rounds: that counted, each way in turns; direct, service: milliseconds a photo of 480×320 pixels.
        overhead: milliseconds of the service over the plain call, round by round;
        overhead_processor: the same in processor time of all threads and processes, which other programs disturb less.
        uploads: sent, at_once of them at a time; accepted, done: how many of them were; seconds: till all were done.
        health: milliseconds that ``/v1/health`` took meanwhile; health_longest: the longest of them.
        memory_before, memory_most, memory_after: MB that the server held, without its worker.
        busy: whether other work ran beside the measurement, so that its times should not be published.
    """

    rounds: int
    direct: Spread
    service: Spread
    overhead: Spread
    overhead_processor: Spread
    uploads: int
    at_once: int
    accepted: int
    done: int
    seconds: float
    health: Spread
    health_longest: float
    memory_before: int
    memory_most: int
    memory_after: int
    busy: bool


def measure(rounds: int) -> ServiceReport:
    """Start a service of its own and measure it."""
    before = load_average()
    with tempfile.TemporaryDirectory() as name, _running(Path(name)) as (process, address):
        direct, service, processor = _in_turns(Path(name), address, process.pid, rounds)
        resting = _memory(process.pid)
        siege = _siege(process.pid, address)
        return ServiceReport(
            rounds=rounds,
            direct=spread(direct),
            service=spread(service),
            overhead=spread([around - plain for plain, around in zip(direct, service, strict=True)]),
            overhead_processor=spread(processor),
            uploads=_UPLOADS,
            at_once=_AT_ONCE,
            memory_before=resting,
            memory_after=_memory(process.pid),
            busy=busy(before, load_average(), available()),
            **siege,
        )


@contextmanager
def _running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = [sys.executable, "-m", "fourfold", "serve", "--port", "0", "--folder", str(folder / "service")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    try:
        assert process.stderr is not None
        greeting = process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:\d+", greeting)
        assert found is not None, greeting
        yield process, found[0]
    finally:
        process.terminate()
        process.wait()


def _in_turns(folder: Path, address: str, pid: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of the plain call, of the service, and of processor time that the service takes more.

    Each way is first in every other round; two rounds before them do not count.
    """
    photo = folder / "photo.jpg"
    Pillow.effect_noise(_SIDES, 40).resize(_SIDES).convert("RGB").save(photo, quality=95)
    data, session, options = photo.read_bytes(), Session(), UpscaleOptions(route="little")

    def service() -> None:
        status, _ = _post(address, "/v1/upscale", data, route="little")
        assert status == 200, status

    def timed(way: Callable[[], object]) -> tuple[float, float]:
        began, worked = time.perf_counter(), _worked(pid)
        way()
        return 1000 * (time.perf_counter() - began), 1000 * (_worked(pid) - worked)

    direct = partial(restored, str(photo), options, session)
    turns = []
    for turn in range(rounds + 2):
        order = (direct, service) if turn % 2 else (service, direct)
        spent = {way: timed(way) for way in order}
        turns.append((*spent[direct], *spent[service]))
    counted = turns[2:]
    return (
        [turn[0] for turn in counted], [turn[2] for turn in counted], [turn[3] - turn[1] for turn in counted]
    )  # fmt: skip


def _siege(pid: int, address: str) -> dict[str, Any]:
    """Two hundred uploads, fifty at a time, while its health is polled."""
    photo = Pillow.effect_noise((24, 20), 40).convert("RGB")
    with tempfile.SpooledTemporaryFile() as stream:
        photo.save(stream, "JPEG")
        stream.seek(0)
        data = stream.read()
    health, memory, over = [], [0], threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.perf_counter()
            status, _ = _get(address, "/v1/health")
            assert status == 200
            health.append(1000 * (time.perf_counter() - began))
            memory.append(_memory(pid))
            over.wait(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(lambda _n: _post(address, "/v1/jobs", data, route="little"), range(_UPLOADS)))
    jobs = [json.loads(body)["id"] for status, body in answers if status == 202]
    done = 0
    for job in jobs:
        while (state := json.loads(_get(address, f"/v1/jobs/{job}")[1])["state"]) in ("queued", "running"):
            time.sleep(0.02)
        done += state == "succeeded"
    seconds = time.perf_counter() - began
    over.set()
    asking.join()
    return {
        "accepted": len(jobs), "done": done, "seconds": round(seconds, 2), "health": spread(health),
        "health_longest": round(max(health), 1), "memory_most": max(memory),
    }  # fmt: skip


def _post(address: str, path: str, photo: bytes, **fields: str) -> tuple[int, bytes]:
    mark = secrets.token_hex(16)
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n\r\n')
    body = "".join(parts).encode() + photo + f"\r\n--{mark}--\r\n".encode()
    return _asked(address, "POST", path, body, {"Content-Type": f"multipart/form-data; boundary={mark}"})


def _get(address: str, path: str) -> tuple[int, bytes]:
    return _asked(address, "GET", path, None, {})


def _asked(address: str, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _worked(pid: int) -> float:
    """Seconds of processor time that this process, the server and its workers took so far."""
    children = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    ticks = 0
    for one in (str(pid), *(child for found in children for child in found)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    """MB that a process holds; 0 where the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) >> 10
    except (OSError, StopIteration):
        return 0


def table(found: ServiceReport) -> str:
    """The measurement as aligned text."""
    rows = {
        "direct, ms": found.direct, "by the service, ms": found.service, "overhead, ms": found.overhead,
        "overhead, ms of processor": found.overhead_processor, "health meanwhile, ms": found.health,
    }  # fmt: skip
    lines = [
        f"480×320 JPEG, {found.rounds} rounds in turns; then {found.uploads} uploads, {found.at_once} at a time",
        spread_table(rows, digits=1),
        f"{found.accepted} of {found.uploads} uploads accepted, {found.done} done in {found.seconds:.1f} s",
        f"health took {found.health_longest:.0f} ms at most",
        f"memory of the server: {found.memory_before} MB, {found.memory_most} at most, {found.memory_after} afterwards",
    ]
    if found.busy:
        lines.append("busy machine: only the differences mean something")
    return "\n".join(lines)
