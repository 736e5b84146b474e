"""Damaging files: at random, and cleverly, with every checksum right again."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from hypothesis import strategies as st

from mmpointvideo.datasets.store_layout import (
    PREAMBLE_SIZE,
    Preamble,
    index_dtype,
    pack_preamble,
)

# what headers claim when they lie
_NUMBERS = [
    struct.pack(code, value)
    for code, values in (
        ('<I', (0, 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)),
        ('>I', (2**16, 2**31 - 1, 2**31)),
        ('<Q', (2**31, 2**40, 2**63, 2**64 - 1)),
        ('<H', (0, 2**15, 2**16 - 1)),
        ('<f', (float('nan'), float('inf'), -0.0, 1e38)),
    )
    for value in values
]
_WORDS = [
    b'-1', b'0', b'4294967296', b'2147483648', b'99999999999999999999', b'1e999', b'nan', b'inf',
    b'0x10', b'1_0', b'null', b'true', b'[]', b'{}', b'""', b'"', b'\\u0000', b'\x00', b'\xff\xfe',
    b'[' * 3000, b'../../etc/passwd', b'/dev/zero', b'\n', b' ', b'9' * 5000,
]  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    """What to do, at which part of the file, and with what."""
    kinds = ('flip', 'cut', 'remove', 'repeat', 'insert', 'overwrite', 'word', 'number')
    out = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(kinds))
        # the beginning, where headers are, as often as the whole rest
        place = draw(st.one_of(st.floats(0, 0.05), st.floats(0, 1)))
        if kind == 'word':
            data = draw(st.sampled_from(_WORDS))
        elif kind == 'number':
            data = draw(st.sampled_from(_NUMBERS))
        else:
            data = draw(st.binary(min_size=1, max_size=12))
        out.append((kind, place, data))
    return out


def apply(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """Do it."""
    out = bytearray(data)
    for kind, place, what in changes:
        i = int(place * max(len(out) - 1, 0))
        n = len(what)
        if kind == 'flip':
            if out:
                out[i] ^= what[0] or 1
        elif kind == 'cut':
            del out[i:]
        elif kind == 'remove':
            del out[i : i + n]
        elif kind == 'repeat':
            out[i:i] = out[i : i + 8 * n]
        elif kind == 'insert':
            out[i:i] = what
        elif kind == 'word':
            end = i
            while end < len(out) and end - i < 20 and chr(out[end]).isalnum():
                end += 1
            out[i:end] = what
        else:
            out[i : i + n] = what
    return bytes(out)


def repair_store(data: bytes) -> bytes:
    """A damaged frame store with the checksums of what it says now."""
    if len(data) < PREAMBLE_SIZE:
        return data
    frames, offset, size, index_size, _, _ = struct.unpack_from('<IQIQII', data, 12)
    if offset + size > len(data):
        offset, size = len(data), 0
    header, index = data[offset : offset + size], bytearray(data[offset + size :])
    for blocks in range(1, 5):  # as many as the index can have
        dtype = index_dtype(blocks)
        if frames and len(index) == frames * dtype.itemsize:
            table = np.frombuffer(bytes(index), dtype).copy()
            start = PREAMBLE_SIZE
            for row in table:
                for block in range(blocks):
                    end = start + int(row['size'][block])
                    row['crc'][block] = zlib.crc32(data[start:end])
                    start = end
            index = bytearray(table.tobytes())
            break
    crcs = zlib.crc32(header), zlib.crc32(bytes(index))
    preamble = pack_preamble(Preamble(frames, offset, size, index_size, *crcs))
    return preamble + data[PREAMBLE_SIZE:offset] + header + bytes(index)


def damage_member(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """A zip file with one damaged member and right checksums (npz, checkpoints)."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    chosen = int(changes[0][1] * 997) % len(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_STORED) as archive:
        for number, (name, content) in enumerate(members):
            archive.writestr(name, apply(content, changes) if number == chosen else content)
    return out.getvalue()
