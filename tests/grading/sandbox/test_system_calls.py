"""The filter, run by an interpreter of its few operations; test_sandbox.py has Linux run it."""

import platform
import struct

import pytest

from course_utils.grading.sandbox import system_calls

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOWED, REFUSED = 0x7FFF0000, 0x00050001


def run(program, *, architecture, number, argument=0):
    data = struct.pack("=IIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    operations = list(struct.iter_unpack("=HBBI", program))
    value = place = 0
    while True:
        code, yes, no, operand = operations[place]
        place += 1
        match code:
            case 0x06:
                return operand
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                place += yes if value == operand else no
            case 0x35:
                place += yes if value >= operand else no
            case _:
                raise AssertionError(f"unknown operation {code}")


@pytest.fixture(params=[("x86_64", X86_64), ("aarch64", AARCH64)], ids=lambda one: one[0])
def machine(monkeypatch, request):
    name, architecture = request.param
    monkeypatch.setattr(platform, "machine", lambda: name)
    return name, architecture


@pytest.mark.parametrize("call", ["memfd_create", "shmget", "keyctl", "io_uring_setup"])
def test_refused_calls(machine, call):
    name, architecture = machine
    numbers = {
        "memfd_create": {"x86_64": 319, "aarch64": 279},
        "shmget": {"x86_64": 29, "aarch64": 194},
        "keyctl": {"x86_64": 250, "aarch64": 219},
        "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    }
    program = system_calls.make_filter()
    assert run(program, architecture=architecture, number=numbers[call][name]) == REFUSED
    # read, write, openat and clone, as a program needs them all the time
    for number in {"x86_64": (0, 1, 257, 56), "aarch64": (63, 64, 56, 220)}[name]:
        assert run(program, architecture=architecture, number=number) == ALLOWED


@pytest.mark.parametrize(
    ("family", "verdict"), [(1, ALLOWED), (2, ALLOWED), (16, ALLOWED), (17, REFUSED), (40, REFUSED)]
)
def test_sockets_by_their_family(machine, family, verdict):
    name, architecture = machine
    number = {"x86_64": 41, "aarch64": 198}[name]
    program = system_calls.make_filter()
    found = run(program, architecture=architecture, number=number, argument=family)
    assert found == verdict


def test_calls_by_other_numbers_are_refused(machine):
    _, architecture = machine
    program = system_calls.make_filter()
    assert run(program, architecture=I386, number=3) == REFUSED
    assert run(program, architecture=architecture, number=0x40000000 + 1) == REFUSED


def test_an_unknown_machine_has_no_filter(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert system_calls.make_filter() == b""
