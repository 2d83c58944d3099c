#!/usr/bin/env python3
"""Compiles files of HLSL with DXC, Microsoft's compiler of shaders for DirectX 12, and says which it refuses.

    python3 scripts/hlsl-compile.py --compiler libdxcompiler.so [--profile cs_6_0] FILE.hlsl…

Each file has one compute shader. Nothing is executed, and the code for the card is dropped. Exit status: 1 where DXC refuses a file.
The interface is that of dxcapi.h, called through its tables of functions.
"""

import argparse
import ctypes
import pathlib
import re
import sys
import uuid

CLASS = "73e22d93-e6ce-47f3-b5bf-f0664f39c1b0"
COMPILER = "228b4687-5a6a-4730-900c-9702b2203f54"
RESULT = "58346cda-dde7-4497-9461-6f87af5e0659"
UTF8 = 65001


class Buffer(ctypes.Structure):
    """DxcBuffer."""

    _fields_ = [("text", ctypes.c_char_p), ("size", ctypes.c_size_t), ("encoding", ctypes.c_uint32)]


def guid(text):
    return (ctypes.c_uint8 * 16).from_buffer_copy(uuid.UUID(text).bytes_le)


class Object:
    """An object of DXC. Outside of Windows its table has two entries for the destructor after those of IUnknown."""

    METHODS = 5

    def __init__(self, address):
        self.address = ctypes.c_void_p(address)
        self.table = ctypes.cast(ctypes.cast(self.address, ctypes.POINTER(ctypes.c_void_p))[0], ctypes.POINTER(ctypes.c_void_p))

    def call(self, at, *arguments, result=ctypes.c_int32):
        kinds = [type(argument) for argument in arguments]
        return ctypes.CFUNCTYPE(result, ctypes.c_void_p, *kinds)(self.table[self.METHODS + at])(self.address, *arguments)

    def release(self):
        ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)(self.table[2])(self.address)


class Compiler:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        made, kind, of = ctypes.c_void_p(), guid(CLASS), guid(COMPILER)
        status = self.library.DxcCreateInstance(ctypes.byref(kind), ctypes.byref(of), ctypes.byref(made))
        if status != 0 or not made.value:
            sys.exit(f"{path}: no compiler (status {status:#x})")
        self.compiler = Object(made.value)

    def complaints(self, text, entry, profile):
        """What DXC says of a shader that it refuses; None where it compiles."""
        words = [f"-E{entry}", f"-T{profile}", "-Vd", "-HV", "2018"]
        arguments = (ctypes.c_wchar_p * len(words))(*words)
        source, made, kind = Buffer(text, len(text), UTF8), ctypes.c_void_p(), guid(RESULT)
        pointer = ctypes.c_void_p
        status = self.compiler.call(
            0, pointer(ctypes.addressof(source)), pointer(ctypes.addressof(arguments)), ctypes.c_uint32(len(words)),
            pointer(None), pointer(ctypes.addressof(kind)), pointer(ctypes.addressof(made)),
        )
        if status != 0:
            return f"status {status & 0xffffffff:#x}"
        result, outcome, errors = Object(made.value), ctypes.c_int32(-1), ctypes.c_void_p()
        result.call(0, pointer(ctypes.addressof(outcome)))
        result.call(2, pointer(ctypes.addressof(errors)))
        said = ""
        if errors.value:
            blob = Object(errors.value)
            address, size = blob.call(0, result=ctypes.c_void_p), blob.call(1, result=ctypes.c_size_t)
            said = ctypes.string_at(address, size).decode(errors="replace").strip() if address else ""
            blob.release()
        result.release()
        return None if outcome.value == 0 else said or f"outcome {outcome.value & 0xffffffff:#x}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--profile", default="cs_6_0")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    compiler, refused = Compiler(args.compiler), 0
    for file in args.files:
        text = file.read_bytes()
        entry = re.search(rb"\[numthreads\([^]]*\]\s*void\s+(\w+)\s*\(", text)
        said = compiler.complaints(text, entry[1].decode(), args.profile) if entry else "no compute shader"
        if said is not None:
            refused += 1
            print(f"{file}: {said}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
