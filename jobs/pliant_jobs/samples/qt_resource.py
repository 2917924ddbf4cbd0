"""Reads the files inside a compiled Qt resource (`.rcc`), as GCompris keeps its photographs.

The format is a header, a tree of nodes, names in UTF-16 and data blocks, all big-endian:
Source: Qt 5, qtbase/src/corelib/io/qresource.cpp.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_COMPRESSED, _FOLDER, _ZSTD = 1, 2, 4
_HEADER = struct.Struct(">4sIIII")
_NODE_BYTES = 22


def read(path: Path) -> dict[str, bytes]:
    """Give every file of the container by its path inside."""
    data = path.read_bytes()
    magic, version, tree, blocks, names = _HEADER.unpack_from(data)
    if magic != b"qres" or version < 2:
        raise ValueError(f"{path}: not a Qt resource of version 2 or later")
    return dict(_walk(data, (tree, blocks, names), 0, ""))


def _walk(
    data: bytes, tables: tuple[int, int, int], index: int, folder: str
) -> Iterator[tuple[str, bytes]]:
    tree, blocks, names = tables
    at = tree + index * _NODE_BYTES
    name_at, flags = struct.unpack_from(">IH", data, at)
    path = f"{folder}/{_name(data, names + name_at)}" if index else ""
    if flags & _FOLDER:
        num_children, first = struct.unpack_from(">II", data, at + 6)
        for child in range(first, first + num_children):
            yield from _walk(data, tables, child, path)
    else:
        (block_at,) = struct.unpack_from(">I", data, at + 10)
        yield path.lstrip("/"), _block(data, blocks + block_at, flags)


def _name(data: bytes, at: int) -> str:
    (num_characters,) = struct.unpack_from(">H", data, at)
    return data[at + 6 : at + 6 + 2 * num_characters].decode("utf-16-be")


def _block(data: bytes, at: int, flags: int) -> bytes:
    (num_bytes,) = struct.unpack_from(">I", data, at)
    block = data[at + 4 : at + 4 + num_bytes]
    if flags & _ZSTD:
        raise ValueError("a block is compressed with zstd, which this reader does not know")
    return zlib.decompress(block[4:]) if flags & _COMPRESSED else block
