"""The system calls that a sandbox goes without.

Namespaces leave some doors open: sockets that reach the machine's host without a network, the
user's keys, memory that is no process's and that nobody would count. No lesson needs them.
"""

import errno
import platform
import socket
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class _Machine:
    architecture: int  # AUDIT_ARCH_… of linux/audit.h
    socket: int
    refused: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        architecture=0xC000003E,
        socket=41,
        refused=(
            *(29, 30, 31, 64, 68),  # shmget, shmat, shmctl, semget, msgget
            *(101, 103, 240),  # ptrace, syslog, mq_open
            *(248, 249, 250),  # add_key, request_key, keyctl
            # perf_event_open, memfd_create, bpf, userfaultfd, io_uring_setup, memfd_secret
            *(298, 319, 321, 323, 425, 447),
        ),
    ),
    "aarch64": _Machine(
        architecture=0xC00000B7,
        socket=198,
        refused=(
            *(194, 196, 195, 190, 186),  # shmget, shmat, shmctl, semget, msgget
            *(117, 116, 180),  # ptrace, syslog, mq_open
            *(217, 218, 219),  # add_key, request_key, keyctl
            # perf_event_open, memfd_create, bpf, userfaultfd, io_uring_setup, memfd_secret
            *(241, 279, 280, 282, 425, 447),
        ),
    ),
}
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16)  # the last is netlink
_X32 = 0x40000000  # from here on, another set of numbers for the same calls on x86_64

# Operations of classic BPF (linux/bpf_common.h) and results (linux/seccomp.h).
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


def make_filter() -> bytes:
    """Make the program for seccomp; empty where the numbers of the calls are not known."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return b""
    refuse = _operation(_RETURN, _REFUSE)
    program = [
        _operation(_LOAD, _ARCHITECTURE),
        _operation(_JUMP_IF_EQUAL, machine.architecture, yes=1),
        refuse,
        _operation(_LOAD, _NUMBER),
        _operation(_JUMP_IF_AT_LEAST, _X32, no=1),
        refuse,
    ]
    for number in machine.refused:
        program += [_operation(_JUMP_IF_EQUAL, number, no=1), refuse]
    program += [
        _operation(_JUMP_IF_EQUAL, machine.socket, yes=1),
        _operation(_RETURN, _ALLOW),
        _operation(_LOAD, _FIRST_ARGUMENT),
    ]
    for family in _FAMILIES:
        program += [_operation(_JUMP_IF_EQUAL, family, no=1), _operation(_RETURN, _ALLOW)]
    return b"".join([*program, refuse])


def _operation(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; a jump skips so many of those that follow."""
    return struct.pack("=HBBI", code, yes, no, value)
