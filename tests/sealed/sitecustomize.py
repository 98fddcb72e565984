"""Loaded by a Python started with this folder on PYTHONPATH: it and its children cannot reach the network.

Attempts through Python's socket module are written to the file SEALED_LOG and refused. On Linux a process whose
native code opens an Internet socket is killed (seccomp, SIGSYS).
"""

import ctypes
import os
import platform
import socket
import struct
import sys
from pathlib import Path

_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}


def _refuse(name):
    def refused(*arguments, **_options):
        with Path(os.environ["SEALED_LOG"]).open("a") as log:
            log.write(f"{name}{arguments!r}\n")
        raise OSError(f"{name}: the network is sealed")

    return refused


def _forbid_internet_sockets():
    """Install a seccomp filter in classic BPF: socket(AF_INET | AF_INET6, …) kills the process."""
    kill, allow = 0x80000000, 0x7FFF0000
    load, equal, answer = 0x20, 0x15, 0x06
    program = [
        (load, 0, 0, 0),  # the number of the system call
        (equal, 0, 3, _SOCKET_CALL[platform.machine()]),
        (load, 0, 0, 16),  # its first argument: the address family
        (equal, 2, 0, int(socket.AF_INET)),
        (equal, 1, 0, int(socket.AF_INET6)),
        (answer, 0, 0, allow),
        (answer, 0, 0, kill),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    pointer = struct.pack("HL", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    return libc.prctl(22, 2, pointer, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


socket.socket.connect = _refuse("connect")
socket.socket.connect_ex = _refuse("connect_ex")
socket.socket.sendto = _refuse("sendto")
socket.getaddrinfo = _refuse("getaddrinfo")
if sys.platform == "linux" and platform.machine() in _SOCKET_CALL:
    _forbid_internet_sockets()
