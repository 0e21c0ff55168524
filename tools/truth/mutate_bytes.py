"""Damages of a protobuf file's bytes; used by mutate_models.py. Entry point: `damage_bytes`."""

import struct

BYTES = bytes([0x00, 0x01, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0x08])
VARINTS = [
    b"\x00",
    b"\xff\xff\xff\xff\x07",  # 2^31 - 1
    b"\xff\xff\xff\xff\x0f",  # 2^32 - 1
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # 2^63 - 1
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 2^64 - 1, that is -1
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  # longer than any varint may be
    b"\x85\x00",  # 5, not in its shortest form
]


def read_varint(data, at, end):
    """(value, next position), or (None, at) where there is none."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    return None, at


def fields(data, begin=0, end=None, depth=0):
    """[(tag position, position after the tag, wire type, end of the field)] at any depth, found by trying."""
    end = len(data) if end is None else end
    found, at = [], begin
    while at < end:
        tag, after = read_varint(data, at, end)
        if tag is None or tag >> 3 == 0:
            return None
        kind = tag & 7
        if kind == 0:
            value, stop = read_varint(data, after, end)
            if value is None:
                return None
        elif kind in (1, 5):
            stop = after + (8 if kind == 1 else 4)
        elif kind == 2:
            size, start = read_varint(data, after, end)
            if size is None or start + size > end:
                return None
            stop = start + size
            if size > 1 and depth < 12:
                found.extend(fields(data, start, stop, depth + 1) or [])
        else:
            return None
        if stop > end:
            return None
        found.append((at, after, kind, stop))
        at = stop
    return found


def replace_varint(data, at, rng):
    _, after = read_varint(data, at, len(data))
    return data[:at] + rng.choice(VARINTS) + data[after:]


def at_a_field(data, rng, places):
    """A damage at a place where the format has a tag, a length or a number."""
    tag, after, kind, stop = rng.choice(places)
    what = rng.choice(["length", "tag", "remove", "double", "number", "wire type", "move"])
    if what == "length" and kind == 2:
        return replace_varint(data, after, rng), f"length at {after}"
    if what == "number" and kind == 0:
        return replace_varint(data, after, rng), f"varint at {after}"
    if what == "number" and kind in (1, 5):
        bits = struct.pack("<q", rng.choice([0, -1, 0x7FF0000000000000, 0x7F8000007FC00000]))[: stop - after]
        return data[:after] + bits + data[stop:], f"fixed number at {after}"
    if what == "remove":
        return data[:tag] + data[stop:], f"field at {tag} removed, the lengths around it kept"
    if what == "double":
        return data[:stop] + data[tag:stop] * rng.choice([1, 2, 50]) + data[stop:], f"field at {tag} repeated"
    if what == "wire type":
        return data[:tag] + bytes([data[tag] ^ rng.randrange(1, 8)]) + data[tag + 1 :], f"wire type at {tag}"
    if what == "move":
        to = rng.choice(places)[0]
        return data[:to] + data[tag:stop] + data[to:], f"field at {tag} copied to {to}"
    return data[:tag] + bytes([(data[tag] & 0x87) | rng.randrange(16) << 3]) + data[tag + 1 :], f"tag at {tag}"


def anywhere(data, rng, other):
    """A damage at any place."""
    at = rng.randrange(len(data) + 1) if data else 0
    size = min(rng.choice([1, 2, 8, 64, 1024]), len(data) - at)
    what = rng.choice(["flip", "set", "cut", "remove", "insert", "repeat", "splice", "zero"])
    if what == "flip" and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :], f"bit at {at}"
    if what == "set" and at < len(data):
        return data[:at] + bytes([rng.choice(BYTES)]) + data[at + 1 :], f"byte at {at}"
    if what == "cut":
        return data[:at], f"cut at {at}"
    if what == "remove":
        return data[:at] + data[at + size :], f"{size} bytes removed at {at}"
    if what == "repeat":
        return (
            data[: at + size] + data[at : at + size] * rng.choice([1, 3, 100]) + data[at + size :],
            f"repeated at {at}",
        )
    if what == "splice":
        foreign = other()
        begin = rng.randrange(len(foreign) + 1)
        return data[:at] + foreign[begin:], f"another file's end from {at}"
    if what == "zero":
        return data[:at] + bytes(size) + data[at + size :], f"{size} zeros at {at}"
    return data[:at] + rng.randbytes(rng.choice([1, 4, 100])) + data[at:], f"random bytes at {at}"


def damage_bytes(data, rng, other):
    """(damaged bytes, [what was done]); `other` gives the bytes of another file. The size stays below twice 1 MiB."""
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        places = fields(data) if rng.random() < 0.6 else None
        data, said = at_a_field(data, rng, places) if places else anywhere(data, rng, other)
        done.append(said)
        if len(data) > 1 << 20:
            data = data[: 1 << 20]
            done.append("cut at 1 MiB")
    return data, done
