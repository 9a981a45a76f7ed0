"""A large JSON file, an item at a time: what each item says and where in the file it lies."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple  # Any: parsed JSON

from bench.data.file_kinds import other_kind
from vocabulary import DataError

_FIRST_READ_BYTES = 1 << 22
_LONGEST_STRING = 1 << 26
_MARGIN = 1000
"""So near to the end of what was read, a fault may only mean that there is more to come."""

_SPACE = re.compile(r"[ \t\r\n]*")


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # any: parsed JSON
    """A JSON object; raises `DataError` if it has a key twice, for nobody knows which of the two is meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _value in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"an object has the key {twice!r} twice")
    return made


class Item(NamedTuple):
    """A member of a file's outermost list, or all of a file that is no list.

    `number` counts from 0. The item's text is `length` bytes of the file from byte `offset` on.
    """

    number: int
    offset: int
    length: int
    value: Any  # parsed JSON


def read_items(path: Path) -> Iterator[Item]:
    """The items of the JSON file at `path`, read once from its beginning to its end.

    Memory is that of a few items, never of the file. Raises `DataError` for what is not JSON or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            yield from _items(_Window(stream))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error


class _Window:
    """The part of a file that is being looked at, as text."""

    def __init__(self, stream: BinaryIO) -> None:
        self.text = ""
        self.at = 0
        self.byte = 0  # the file's byte that text[at] begins with
        self.ended = False
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._size = _FIRST_READ_BYTES
        self._scan = json.JSONDecoder(object_pairs_hook=each_key_once).raw_decode

    def begin(self) -> None:
        """Pass a byte order mark; raises `DataError` for a file of another kind."""
        start = self._stream.peek(1000) if isinstance(self._stream, BufferedReader) else b""
        if kind := other_kind(start):
            raise DataError(kind)
        if start.startswith(codecs.BOM_UTF8):
            self._stream.read(len(codecs.BOM_UTF8))
            self.byte = len(codecs.BOM_UTF8)

    def more(self) -> None:
        """Read on; what was passed is forgotten."""
        self.text, self.at = self.text[self.at :], 0
        self._size = max(self._size, 2 * len(self.text))  # else a large item would be begun over and over
        chunk = self._stream.read(self._size)
        self.ended = not chunk
        try:
            self.text += self._decoder.decode(chunk, final=self.ended)
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8: {error.reason}") from error

    def next_sign(self) -> str:
        """The next character that is no space, "" at the end of the file; it is not passed."""
        while True:
            space = _SPACE.match(self.text, self.at)
            assert space is not None, "the pattern matches nothing as well"
            self.skip(space.end() - self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.more()

    def skip(self, characters: int) -> None:
        """Pass so many characters of ASCII."""
        self.at += characters
        self.byte += characters

    def value(self, number: int) -> Item:
        """The JSON value that begins here; it is passed."""
        while True:
            try:
                value, end = self._scan(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.ended:
                    raise DataError(f"item {number}: not valid JSON ({error.msg}), is the file cut off?") from error
                if self._is_certain(error):
                    place = self.byte + len(self.text[self.at : error.pos].encode())
                    raise DataError(f"item {number}: not valid JSON at byte {place:,} ({error.msg})") from error
            except RecursionError as error:
                raise DataError(f"item {number}: not valid JSON (nested too deeply)") from error
            except ValueError as error:  # more digits than Python reads
                raise DataError(f"item {number}: {error}") from error
            else:
                item = Item(number, self.byte, len(self.text[self.at : end].encode()), value)
                self.at, self.byte = end, item.offset + item.length
                return item
            self.more()

    def _is_certain(self, error: json.JSONDecodeError) -> bool:
        """Whether what follows cannot mend the fault."""
        beyond = len(self.text) - error.pos
        return beyond > (_LONGEST_STRING if error.msg.startswith("Unterminated string") else _MARGIN)


def _items(window: _Window) -> Iterator[Item]:
    window.begin()
    if window.next_sign() != "[":
        yield window.value(0)
    else:
        window.skip(1)
        yield from _members(window)
    if sign := window.next_sign():
        raise DataError(f"not valid JSON: {sign!r} after its end")


def _members(window: _Window) -> Iterator[Item]:
    if window.next_sign() == "]":
        window.skip(1)
        return
    number = 0
    while True:
        if window.next_sign() == "":
            raise DataError(f"item {number}: not valid JSON, is the file cut off?")
        yield window.value(number)
        sign = window.next_sign()
        if sign not in (",", "]"):
            fault = f"{sign!r} where ',' or ']' should be" if sign else "is the file cut off?"
            raise DataError(f"after item {number}: not valid JSON, {fault}")
        window.skip(1)
        if sign == "]":
            return
        number += 1
