"""Calls in flight, in a file that outlives its process: so the call that kills its process is found and given up.

A call that was in flight when a process died is suspect. It is made again while its process makes no other call; if the
process dies of that too, the call is not made any more by this invocation, and the next one tries it again.
"""

from __future__ import annotations

import json
import mmap
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from net.shared_file import SharedFile

_SLOTS = 4096
"""How many calls of a process are kept at once; those beyond are made all the same."""

_SIZE = 16
_NOTHING = bytes(_SIZE)
_CALLS = ".calls"
_DIED = ".died"
_SUSPECTS = "suspects"
_MOST_CRASHES = 2
_WITNESS = 'trap "" HUP INT QUIT TERM; read -r _; [ ! -e "$1" ] || : > "$2"'

Mark = tuple[str, ...]
"""What names a call: the same in every process and invocation of a run; empty for a call that is not kept."""


class Ledger:
    """The calls in flight in one process of an invocation, in the run's `folder`.

    A worker is named by `process`, and its controller sees its death. With `witness` another process does: one that
    dies together with this one, as when all of a run is killed, so that no call is suspected for that.
    """

    def __init__(self, folder: Path, invocation: str, process: str, *, witness: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = _calls(folder, invocation, process)
        self._invocation = invocation
        self._suspects = _Suspects(folder)
        self._path.touch(mode=0o600)
        with self._path.open("r+b") as file:
            file.truncate(_SLOTS * _SIZE)
            self._marks = mmap.mmap(file.fileno(), _SLOTS * _SIZE)
        self._free = list(range(_SLOTS))
        self._witness = _start_witness(self._path) if witness else None

    def standing(self, mark: Mark) -> int:
        """How many processes have died of the call: 0, 1, or 2, with which it is given up."""
        if not mark or self._suspects.empty:
            return 0
        return self._suspects.standing(_digest(mark), self._invocation)

    def begin(self, mark: Mark) -> int | None:
        """Note that the call is in flight; what to `end` it with."""
        if not mark or not self._free:
            return None
        slot = self._free.pop()
        self._marks[slot * _SIZE : (slot + 1) * _SIZE] = _digest(mark)
        return slot

    def end(self, slot: int | None, mark: Mark) -> None:
        """Note that the call has ended, however it did, and is no suspect."""
        if slot is None:
            return
        self._marks[slot * _SIZE : (slot + 1) * _SIZE] = _NOTHING
        self._free.append(slot)
        if not self._suspects.empty:
            self._suspects.acquit(_digest(mark))

    def close(self) -> None:
        """Remove the file: nothing is in flight any more."""
        self._marks.close()
        self._suspects.close()
        self._path.unlink(missing_ok=True)
        if self._witness is not None:
            self._witness.communicate()


class _Suspects:
    """The calls of which a process may have died, in a file that all processes of a run share; empty for none."""

    def __init__(self, folder: Path) -> None:
        self._shared = SharedFile(folder / _SUSPECTS)

    @property
    def empty(self) -> bool:
        return self._shared.empty

    def standing(self, digest: bytes, invocation: str) -> int:
        with self._locked() as known:
            entry = known.get(digest.hex())
            if entry is None:
                return 0
            crashes, given_up_by = entry
            if crashes >= _MOST_CRASHES:
                tried_again = given_up_by not in ("", invocation)
                known[digest.hex()] = (1, "") if tried_again else (crashes, invocation)
                return 1 if tried_again else crashes
            return crashes

    def add(self, digests: set[bytes]) -> None:
        with self._locked() as known:
            for digest in digests:
                crashes, _given_up_by = known.get(digest.hex(), (0, ""))
                known[digest.hex()] = (min(crashes + 1, _MOST_CRASHES), "")

    def acquit(self, digest: bytes) -> None:
        with self._locked() as known:
            known.pop(digest.hex(), None)

    def close(self) -> None:
        self._shared.close()

    @contextmanager
    def _locked(self) -> Iterator[dict[str, tuple[int, str]]]:
        """What is known; what the block makes of it is stored."""
        with self._shared.locked():
            known = _entries(self._shared.read())
            before = dict(known)
            yield known
            if known != before:
                self._shared.write(json.dumps(known).encode() if known else b"")


def suspect_calls_of(folder: Path, invocation: str, process: str) -> bool:
    """Suspect the calls that were in flight in a worker of the invocation that died; whether there were any."""
    return _settle(folder, _calls(folder, invocation, process))


def settle_calls(folder: Path) -> None:
    """Suspect the calls of former invocations that died before the eyes of a witness, and forget those of others.

    No other invocation may be at work on the run.
    """
    for path in folder.glob(f"*{_CALLS}"):
        died = _witnessed(path)
        if died.exists():
            _settle(folder, path)
            died.unlink()
        path.unlink(missing_ok=True)


def calls_in_flight(folder: Path) -> int:
    """How many calls are in flight over all processes that note theirs in `folder`."""
    noted = 0
    for path in folder.glob(f"*{_CALLS}"):
        with suppress(FileNotFoundError):  # its process has ended in this moment
            stored = path.read_bytes()
            noted += sum(stored[start : start + _SIZE] != _NOTHING for start in range(0, len(stored), _SIZE))
    return noted


def _settle(folder: Path, path: Path) -> bool:
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return False
    marks = {stored[start : start + _SIZE] for start in range(0, len(stored), _SIZE)} - {_NOTHING}
    if marks:
        with closing(_Suspects(folder)) as suspects:
            suspects.add(marks)
    path.unlink(missing_ok=True)
    return bool(marks)


def _start_witness(path: Path) -> subprocess.Popen[bytes]:
    """A process that waits for the death of this one, and tells it by a file if `path` is still there."""
    command = ["/bin/sh", "-c", _WITNESS, "sh", str(path), str(_witnessed(path))]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)


def _calls(folder: Path, invocation: str, process: str) -> Path:
    return folder / f"{invocation}-{process}{_CALLS}"


def _witnessed(path: Path) -> Path:
    return path.with_suffix(_DIED)


def _digest(mark: Mark) -> bytes:
    return blake2b("\x1f".join(mark).encode(errors="surrogatepass"), digest_size=_SIZE).digest()


def _entries(text: bytes) -> dict[str, tuple[int, str]]:
    try:
        return {mark: (crashes, given_up_by) for mark, (crashes, given_up_by) in json.loads(text or b"{}").items()}
    except ValueError:  # cut short by a death while it was written
        return {}
