"""Read many damaged files of every format; none may crash, hang, fill the memory or end in anything but a sentence.

    python scripts/fuzz.py [FILES] [FIRST]

The files are those of ``tests/imaging/odd_files.py`` and of ``carried_table.py`` (metadata), as many of each format,
each changed in a few places by a generator that its number seeds: file N is the same in every run. A worker process
reads them; if one dies, the file it was at is to blame.
"""

import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "imaging"))

SECONDS, MEMORY, PIXELS = 10, 1 << 30, 20_000_000
FINE = ("read", "refused")


def changed(data: bytes, number: int) -> bytes:
    """The file with one to eight changes: bytes, numbers of two and four bytes, cuts, holes, parts moved or doubled."""
    rng = np.random.default_rng([7, number])
    made = bytearray(data)
    for _ in range(min(8, int(rng.geometric(0.6)))):
        head = min(len(made), 600) if rng.random() < 0.6 else len(made)
        at = int(rng.integers(0, max(1, head)))
        length = int(rng.integers(1, 1 + max(1, len(made) // 4)))
        match int(rng.integers(0, 12)):
            case 0:
                made[at : at + 1] = rng.bytes(1)
            case 1:
                made[at : at + 2] = bytes(rng.choice([b"\0\0", b"\xff\xff", b"\x7f\xff", b"\0\1", b"\1\0"]))
            case 2:
                made[at : at + 4] = bytes(rng.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\1\0\0\0"]))
            case 3 if rng.random() < 0.3:
                del made[at:]
            case 4:
                made[at : at + length] = bytes(min(length, len(made) - at))
            case 5:
                made[at:at] = made[at : at + length]
            case 6:
                del made[at : at + length]
            case _:
                made[at : at + 1] = bytes([made[at] ^ (1 << int(rng.integers(0, 8)))]) if at < len(made) else b""
    return bytes(made)


def outcome(data: bytes) -> str:
    """What reading a file comes to, in a word; anything but ``FINE`` is a bug."""
    from fourfold.core.errors import FourfoldError
    from fourfold.imaging import files

    signal.alarm(SECONDS)
    try:
        files.probe(data, PIXELS)
        files.read(data, PIXELS, damaged=len(data) % 2 == 0)
    except FourfoldError:
        return "refused"
    except TimeoutError:
        return "hang"
    except MemoryError:
        return "memory"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "read"


def seeds() -> list[list[tuple[str, bytes]]]:
    """Sound files by name, a list for each format."""
    import carried_table
    import odd_files
    import pillow_heif

    from fourfold.imaging.formats import FORMATS, sniff

    found = sorted(odd_files.every(pillow_heif).items())
    found += [(f"{case.source} with {case.what}", case.make()) for case in carried_table.CASES]
    return [[one for one in found if sniff(one[1][:64]) == name] for name in FORMATS]


def work(first: int, end: int) -> None:
    """Read files, and say of each what came of it, as lines of JSON; memory is limited to what is held and a GiB."""
    from fourfold.imaging import files

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    kinds = seeds()
    for one in kinds:
        files.read(one[0][1])
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.RLIM_INFINITY))
    for number in range(first, end):
        kind = kinds[number % len(kinds)]
        name, data = kind[number // len(kinds) % len(kind)]
        print(json.dumps([number, name, ""]), flush=True)
        print(json.dumps([number, name, outcome(changed(data, number))]), flush=True)


def main(count: int, first: int) -> int:
    """Run workers until all files are read, print the figures, and return how many came to neither word of ``FINE``."""
    found: Counter[str] = Counter()
    bad, at, end = [], first, first + count
    while at < end:
        command = [sys.executable, __file__, "--worker", str(at), str(end)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker:
            assert worker.stdout is not None
            number, name, what = at - 1, "", "started"
            for line in worker.stdout:
                number, name, what = json.loads(line)
                if what:
                    found[what if what in FINE else "bad"] += 1
                    bad += [(number, name, what)] if what not in FINE else []
        if not what or what == "started":
            bad.append((number, name, f"the worker ended with {worker.returncode}"))
        at = number + 1
    print(f"{count} files: {found['read']} read, {found['refused']} refused, {len(bad)} neither")
    for one in bad:
        print(*one)
    return len(bad)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--worker"]:
        work(int(words[1]), int(words[2]))
    else:
        sys.exit(main(int(words[0]) if words else 20_000, int(words[1]) if words[1:] else 0) > 0)
