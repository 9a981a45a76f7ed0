"""Files that the Hugging Face hub or GitHub lists: which there are, and which of them a selection needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bench.data.github import github_files
from bench.data.manifests import HUB, Listing, ListingPart, RemoteFile, human_size
from bench.data.transfer import Say, remote_errors, retried
from vocabulary import ConfigurationError, DataError, UnknownNameError, Word

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem

_TAIL_BYTES = 512
_CONTEXT_SIZE = re.compile(rb'"contextSize"\s*:\s*(\d+)\s*[,}]')
_AT_ONCE = 16


class Selection(Word):
    """Which files of a part of a listing are wanted; what is empty leaves the choice open."""

    context_size: tuple[int, ...] = ()
    category: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()
    everything: bool = False


def select(listing: Listing, part: ListingPart, selection: Selection, say: Say) -> list[RemoteFile]:
    """The files of `part` that `selection` needs, in the order of their paths.

    Raises `ConfigurationError` if nothing fits the selection, or if it leaves the context size open where that makes a
    difference of gigabytes; `DataError` if the hub gives no list.
    """
    if selection.context_size and not part.by_context_size:
        raise ConfigurationError(f"{part.name} has no context sizes: leave --context-size out.")
    if listing.host == "github":
        if selection.category or selection.evidence:
            raise ConfigurationError(f"{part.name} has no categories: leave --category and --evidence out.")
        return github_files(listing, part, say)
    from huggingface_hub import HfFileSystem  # slow to import, and only a download needs it

    hub = HfFileSystem()
    files = _choose(part, _listed(hub, listing, part, say), selection)
    if not part.by_context_size or selection.everything:
        return files
    if not selection.context_size:
        raise ConfigurationError(
            f"{part.name}: {len(files):,} files with {human_size(sum(file.bytes for file in files))} fit. Say which "
            "you need, as in --context-size 30, or fetch them all with --all."
        )
    return _of_context_size(hub, part, files, selection.context_size, say)


def _listed(hub: HfFileSystem, listing: Listing, part: ListingPart, say: Say) -> list[RemoteFile]:
    root = f"datasets/{listing.repository}@{listing.revision}"
    say(f"{part.name}: getting the list of its files")
    with remote_errors(f"{HUB}{root}"):
        entries = retried(hub.find)(f"{root}/{part.path}", detail=True)
    assert isinstance(entries, dict), "with details it is no list; only its type does not say so"
    pattern = re.compile(rf"{re.escape(part.path)}/(?:{part.pattern})")
    files = [
        RemoteFile(
            path=f"{listing.folder}/{path}",
            url=f"{HUB}{name}",
            bytes=entry["size"],
            sha256=entry["lfs"]["sha256"] if entry["lfs"] else "",
            blob=entry["blob_id"],
        )
        for name, entry in sorted(entries.items())
        if pattern.fullmatch(path := name.removeprefix(f"{root}/"))
    ]
    if not files:
        raise DataError(f"{HUB}{root}: its list holds no file below {part.path}.")
    if len(files) != part.files:
        say(f"{part.name}: the list has {len(files):,} files; {part.files:,} were expected")
    return files


def _choose(part: ListingPart, files: Sequence[RemoteFile], selection: Selection) -> list[RemoteFile]:
    """The files of these categories and evidence counts."""
    categories = sorted({_category(file) for file in files})
    for name in selection.category:
        if name not in categories:
            raise UnknownNameError("category", name, categories)
    of_category = [file for file in files if not selection.category or _category(file) in selection.category]
    chosen = [file for file in of_category if not selection.evidence or _evidence(file) in selection.evidence]
    if not chosen:
        counts, wanted = sorted(set(map(_evidence, of_category))), selection.evidence
        raise ConfigurationError(
            f"no file of {part.name} has {_joined(wanted)} evidence messages; there are: {_joined(counts)}."
        )
    return chosen


def _of_context_size(
    hub: HfFileSystem, part: ListingPart, files: Sequence[RemoteFile], sizes: Sequence[int], say: Say
) -> list[RemoteFile]:
    """The files whose haystacks have so many conversations, which only their last bytes say."""

    def context_size(file: RemoteFile) -> int:
        with remote_errors(file.url):
            tail = hub.cat_file(file.url, start=max(0, file.bytes - _TAIL_BYTES), end=file.bytes)
        if not (found := _CONTEXT_SIZE.findall(tail)):
            raise DataError(f"{file.url}: no contextSize in its last {len(tail)} bytes. --all fetches it all the same.")
        return int(found[-1])

    say(f"{part.name}: looking at the last bytes of {len(files):,} files for their context size")
    threads = ThreadPoolExecutor(_AT_ONCE)
    try:
        size_of = dict(zip(files, threads.map(context_size, files), strict=True))
    finally:
        threads.shutdown(cancel_futures=True)
    chosen = [file for file in files if size_of[file] in sizes]
    if not chosen:
        known = sorted(set(size_of.values()))
        raise ConfigurationError(
            f"no such file of {part.name} has context size {_joined(sizes)}; there are: {_joined(known)}."
        )
    return chosen


def _category(file: RemoteFile) -> str:
    """The kind of question that a file is about: its folder ``user_evidence``."""
    return file.path.split("/")[-3]


def _evidence(file: RemoteFile) -> int:
    """How many messages each question of a file is answered from: 2 in the folder ``2_evidence``."""
    return int(file.path.split("/")[-2].partition("_")[0])


def _joined(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
