"""Files that a hub lists: which there are, and which of them a selection needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from bench.data import InnerPath, Listing, ListingPart
from bench.published import replace_file
from bench.transfer import Remote
from bench.web import Patience, Say, reason
from schema import ConfigurationError, DataError, UnknownNameError, Word

if TYPE_CHECKING:
    import httpx

_TAIL_BYTES = 512
_CONTEXT_SIZE = re.compile(rb'"contextSize"\s*:\s*(\d+)\s*[,}]')
_AT_ONCE = 8
_MOST_PAGES = 1000


class HubFile(Word):
    """A file at the hub: `path` in its repository, and the SHA-256 of its content or its git blob id.

    `context_size` is how many conversations its haystacks have, None while nobody has looked.
    """

    path: InnerPath
    bytes: int = Field(ge=0)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    blob: str = Field(default="", pattern=r"^([0-9a-f]{40})?$")
    context_size: int | None = None

    def remote(self, listing: Listing) -> Remote:
        """The file as something to be fetched."""
        return Remote(f"{listing.resolve}/{quote(self.path)}", self.bytes, self.sha256, self.blob)

    @property
    def category(self) -> str:
        """The folder that says what kind of question it is about: ``user_evidence``."""
        return self.path.split("/")[-3]

    @property
    def evidence(self) -> int:
        """How many messages each of its questions is answered from, by its folder: 2 for ``2_evidence``."""
        return int(self.path.split("/")[-2].partition("_")[0])


class Selection(Word):
    """Which files of a part of a listing are wanted; what is empty leaves the choice open."""

    context_size: tuple[int, ...] = ()
    category: tuple[str, ...] = ()
    evidence: tuple[int, ...] = ()
    everything: bool = False


class _StoredListing(Word):
    revision: str
    files: tuple[HubFile, ...]


class _LargeFile(BaseModel):
    oid: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Entry(BaseModel):
    """A file as the hub tells of it; what it tells besides is not looked at."""

    type: Literal["file"]
    path: InnerPath
    size: int = Field(ge=0)
    oid: str = Field(pattern=r"^[0-9a-f]{40}$")
    lfs: _LargeFile | None = None


class _Folder(BaseModel):
    type: Literal["directory"]


_PAGE: TypeAdapter[list[_Entry | _Folder]] = TypeAdapter(list[Annotated[_Entry | _Folder, Field(discriminator="type")]])


class HubListing:
    """The files of one part of a listing, as the hub tells; kept in `folder`, since a pinned revision never changes."""

    def __init__(self, listing: Listing, part: ListingPart, folder: Path, client: httpx.Client, say: Say) -> None:
        self._listing = listing
        self._part = part
        self._store = folder / listing.folder / f".listing-{part.name}"
        self._client = client
        self._say = say
        self.files = self._stored() or self._fetched()

    def choose(self, category: Collection[str], evidence: Collection[int]) -> list[HubFile]:
        """The files of these categories and evidence counts. Raises `ConfigurationError` if there are none."""
        known = sorted({file.category for file in self.files})
        for name in category:
            if name not in known:
                raise UnknownNameError("category", name, known)
        of_category = [file for file in self.files if not category or file.category in category]
        chosen = [file for file in of_category if not evidence or file.evidence in evidence]
        if not chosen:
            counts = ", ".join(map(str, sorted({file.evidence for file in of_category})))
            asked = ", ".join(map(str, evidence))
            told = f"no file of {self._part.name} has {asked} evidence messages"
            raise ConfigurationError(f"{told}; there are: {counts}.")
        return chosen

    def of_context_size(self, candidates: Sequence[HubFile], sizes: Collection[int]) -> list[HubFile]:
        """Those of the `candidates` whose haystacks have so many conversations.

        What is not known yet is read from the last bytes of each file, and remembered. Raises `ConfigurationError` if
        there are none, `DataError` if the server does not give a part of a file.
        """
        unknown = [file for file in candidates if file.context_size is None]
        if unknown:
            self._say(f"{self._part.name}: looking at the last bytes of {len(unknown):,} files for their context size")
            self._learn(unknown)
        paths = {file.path for file in candidates}
        known = [file for file in self.files if file.path in paths]
        chosen = [file for file in known if file.context_size in sizes]
        if not chosen:
            there = ", ".join(map(str, sorted({file.context_size for file in known if file.context_size})))
            asked = ", ".join(map(str, sizes))
            raise ConfigurationError(f"no such file of {self._part.name} has context size {asked}; there are: {there}.")
        return chosen

    def _stored(self) -> tuple[HubFile, ...]:
        try:
            stored = _StoredListing.model_validate_json(self._store.read_bytes())
        except (FileNotFoundError, ValidationError):  # written by another version, or by nobody: asked for again
            return ()
        return stored.files if stored.revision == self._listing.revision else ()

    def _keep(self) -> None:
        stored = _StoredListing(revision=self._listing.revision, files=self.files)
        self._store.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._store, stored.model_dump_json(exclude_defaults=True))

    def _fetched(self) -> tuple[HubFile, ...]:
        import httpx  # slow to import, and only a download needs it

        url = f"{self._listing.tree}/{quote(self._part.path)}?recursive=true"
        self._say(f"{self._part.name}: asking for the list of its files")
        files: list[HubFile] = []
        try:
            for page in self._pages(url):
                files += self._read_page(page)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DataError(f"{url}: {reason(error)}. Nothing was fetched; try again.") from error
        if not files:
            raise DataError(f"{url}: the list holds no file below {self._part.path}.")
        if len(files) != self._part.files:
            self._say(f"{self._part.name}: the list has {len(files):,} files; {self._part.files:,} were expected")
        self.files = tuple(sorted(files, key=lambda file: file.path))
        self._keep()
        return self.files

    def _pages(self, url: str) -> Iterator[httpx.Response]:
        patience = Patience(self._say)
        for _ in range(_MOST_PAGES):
            page = patience.call(url, partial(self._page, url))
            yield page
            if "next" not in page.links:
                return
            url = str(page.url.join(page.links["next"]["url"]))
        raise DataError(f"{url}: the list has more than {_MOST_PAGES:,} pages; that cannot be right.")

    def _page(self, url: str) -> httpx.Response:
        return self._client.get(url).raise_for_status()

    def _read_page(self, page: httpx.Response) -> Iterator[HubFile]:
        try:
            entries = _PAGE.validate_json(page.content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise DataError(f"{page.url}: not a list of files: {place}: {first['msg']}.") from error
        pattern = re.compile(rf"{re.escape(self._part.path)}/[^/]+/\d+_[^/]+/[^/]+\.json")
        for entry in entries:
            if isinstance(entry, _Entry) and pattern.fullmatch(entry.path):
                checksum = {"sha256": entry.lfs.oid} if entry.lfs else {"blob": entry.oid}
                yield HubFile(path=entry.path, bytes=entry.size, **checksum)

    def _learn(self, unknown: Sequence[HubFile]) -> None:
        import httpx

        learned: dict[str, int] = {}
        threads = ThreadPoolExecutor(_AT_ONCE)
        try:
            for file, size in zip(unknown, threads.map(self._context_size, unknown), strict=True):
                learned[file.path] = size
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = f"{self._listing.resolve}: {reason(error)}"
            raise DataError(f"{told}. What was learned is kept; try again.") from error
        finally:
            threads.shutdown(cancel_futures=True)
            self.files = tuple(
                file.model_copy(update={"context_size": learned[file.path]}) if file.path in learned else file
                for file in self.files
            )
            self._keep()

    def _context_size(self, file: HubFile) -> int:
        """What the last key of the file's last test case says."""
        url = file.remote(self._listing).url
        tail = Patience(self._say).call(url, lambda: self._tail(url, file))
        told = _CONTEXT_SIZE.findall(tail)
        if not told:
            raise DataError(f"{url}: its last {len(tail)} bytes tell no contextSize. --all fetches it all the same.")
        return int(told[-1])

    def _tail(self, url: str, file: HubFile) -> bytes:
        headers = {"Range": f"bytes={max(0, file.bytes - _TAIL_BYTES)}-{file.bytes - 1}", "Accept-Encoding": "identity"}
        with self._client.stream("GET", url, headers=headers) as response:
            response.raise_for_status()
            if response.status_code != 206:
                raise DataError(
                    f"{url}: the server gives whole files only, so the context size of a file cannot be known before "
                    "it is fetched. --all instead of --context-size fetches all of them."
                )
            return response.read()
