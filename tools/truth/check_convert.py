#!/usr/bin/env python3
"""Compares cast_elements of libchorus.so with ml_dtypes and NumPy: every code of every small type decoded, and floats
that cover every rounding decision encoded. Usage: check_convert.py path/to/libchorus.so   (needs numpy and ml_dtypes)
"""
import ctypes
import sys

import ml_dtypes
import numpy as np

# Numbers of onnx.TensorProto.DataType, bits, NumPy type.
FLOAT32, FLOAT64 = 1, 11
SMALL = {
    "float16": (10, np.dtype(np.float16)),
    "bfloat16": (16, np.dtype(ml_dtypes.bfloat16)),
    "float8e4m3fn": (17, np.dtype(ml_dtypes.float8_e4m3fn)),
    "float8e4m3fnuz": (18, np.dtype(ml_dtypes.float8_e4m3fnuz)),
    "float8e5m2": (19, np.dtype(ml_dtypes.float8_e5m2)),
    "float8e5m2fnuz": (20, np.dtype(ml_dtypes.float8_e5m2fnuz)),
    "float8e8m0": (24, np.dtype(ml_dtypes.float8_e8m0fnu)),
    "float6e2m3": (27, np.dtype(ml_dtypes.float6_e2m3fn)),
    "float6e3m2": (28, np.dtype(ml_dtypes.float6_e3m2fn)),
    "float4e2m1": (23, np.dtype(ml_dtypes.float4_e2m1fn)),
    "int4": (22, np.dtype(ml_dtypes.int4)),
    "uint4": (21, np.dtype(ml_dtypes.uint4)),
    "int2": (26, np.dtype(ml_dtypes.int2)),
    "uint2": (25, np.dtype(ml_dtypes.uint2)),
}
BITS = {"float6e2m3": 6, "float6e3m2": 6, "float4e2m1": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}


def unpack(packed, bits, count):
    stream = np.unpackbits(packed, bitorder="little")[: count * bits].reshape(count, bits)
    return np.packbits(np.pad(stream, ((0, 0), (0, 8 - bits))), axis=1, bitorder="little").ravel()


def pack(codes, bits):
    stream = np.unpackbits(codes.reshape(-1, 1), axis=1, bitorder="little")[:, :bits]
    return np.packbits(stream.ravel(), bitorder="little")


class Chorus:
    def __init__(self, path):
        self.cast_elements = ctypes.CDLL(path)["_ZN6chorus13cast_elementsENS_5DTypeEPKvlS0_PvllbNS_9RoundModeE"]
        self.cast_elements.restype = None

    def cast(self, source, src, target, dst, count, saturate=False):
        i64 = ctypes.c_int64
        self.cast_elements(ctypes.c_uint8(source), ctypes.c_void_p(src.ctypes.data), i64(0), ctypes.c_uint8(target),
                           ctypes.c_void_p(dst.ctypes.data), i64(0), i64(count), ctypes.c_bool(saturate),
                           ctypes.c_uint8(2))  # RoundMode::nearest


def check_decode(chorus, name, number, dtype):
    bits = BITS.get(name, dtype.itemsize * 8)
    codes = np.arange(1 << bits, dtype=np.uint16 if bits == 16 else np.uint8)
    raw = pack(codes, bits) if bits < 8 else codes
    out = np.zeros(codes.size, np.float64)
    chorus.cast(number, raw, FLOAT64, out, codes.size)
    # ml_dtypes reads the low bits of a byte; the sign of a small integer is in its high bits.
    stored = codes
    if name.startswith("int"):
        stored = ((codes.astype(np.int16) ^ (1 << (bits - 1))) - (1 << (bits - 1))).astype(np.int8).view(np.uint8)
    with np.errstate(invalid="ignore"):
        want = stored.view(dtype).astype(np.float64)
    same = (out == want) & (np.signbit(out) == np.signbit(want)) | np.isnan(out) & np.isnan(want)
    return codes.size, int(np.sum(~same))


def inputs(name):
    rng = np.random.default_rng(1)
    if name.startswith(("int", "uint")):
        return rng.uniform(-1e6, 1e6, 1 << 16)
    # Every pattern of the upper 16 bits of a float, with lower bits that decide ties.
    upper = np.arange(1 << 16, dtype=np.uint32) << 16
    lower = np.array([0, 1, 0x8000, 0x7FFF, 0x8001, 0xFFFF, 0x1000], np.uint32)
    with np.errstate(invalid="ignore"):
        values = (upper[:, None] | lower[None, :]).ravel().view(np.float32).astype(np.float64)
    # ml_dtypes has no row of the ONNX table for float8e8m0: only what lies in its range is compared.
    if name == "float8e8m0":
        values = values[(values >= 2.0**-126) & (values < 2.0**127)]
    return values


def check_encode(chorus, name, number, dtype, source, values):
    bits = BITS.get(name, dtype.itemsize * 8)
    values = values.astype(np.float32 if source == FLOAT32 else np.float64)
    raw = np.zeros(values.size * 2 + 8, np.uint8)
    chorus.cast(source, values, number, raw, values.size)
    with np.errstate(all="ignore"):
        want = values.astype(dtype)
    if bits == 16:
        got = raw[: values.size * 2].view(np.uint16)
        want = want.view(np.uint16)
    else:
        got = unpack(raw, bits, values.size)
        want = want.view(np.uint8) & ((1 << bits) - 1)
    nan = np.isnan(values)
    if bits == 16:  # the payload of a NaN is free
        limit = 0x7C00 if name == "float16" else 0x7F80
        wrong = np.where(nan, (got & 0x7FFF) <= limit, got != want)
    elif BITS.get(name, 8) < 8:
        wrong = (got != want) & ~(nan & (got & (1 << (bits - 1)) != 0))
    else:
        wrong = got != want
    return values.size, int(np.sum(wrong)), values[wrong][:4], got[wrong][:4], want[wrong][:4]


def main():
    chorus = Chorus(sys.argv[1])
    failed = 0
    for name, (number, dtype) in SMALL.items():
        count, wrong = check_decode(chorus, name, number, dtype)
        line = f"{name:15} decoded {count:6} wrong {wrong}"
        failed += wrong
        for source, label in ((FLOAT32, "float32"), (FLOAT64, "float64")):
            count, wrong, *examples = check_encode(chorus, name, number, dtype, source, inputs(name))
            failed += wrong
            line += f"; from {label} {count} wrong {wrong}" + (f" {examples}" if wrong else "")
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
