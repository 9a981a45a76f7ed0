"""Files that GitHub lists: those of a repository at a commit, each known by its git blob id."""

from __future__ import annotations

import re
from typing import Any  # parsed JSON
from urllib.parse import quote

from bench.data.manifests import Listing, ListingPart, RemoteFile
from bench.data.transfer import Say, remote_errors, remote_json
from vocabulary import DataError

API, RAW = "https://api.github.com", "https://raw.githubusercontent.com"


def github_files(listing: Listing, part: ListingPart, say: Say) -> list[RemoteFile]:
    """The files of `part` in the order of their paths; raises `DataError` if GitHub gives no list of them."""
    url = f"{API}/repos/{listing.repository}/git/trees/{listing.revision}?recursive=1"
    say(f"{part.name}: getting the list of its files")
    pattern = re.compile(rf"{re.escape(part.path)}/(?:{part.pattern})")
    with remote_errors(url):
        tree = remote_json(url)
    try:
        entries: list[dict[str, Any]] = tree["tree"]
        files = [
            RemoteFile(
                path=f"{listing.folder}/{entry['path']}",
                url=f"{RAW}/{listing.repository}/{listing.revision}/{quote(entry['path'])}",
                bytes=entry["size"],
                blob=entry["sha"],
            )
            for entry in sorted(entries, key=lambda entry: str(entry["path"]))
            if entry["type"] == "blob" and pattern.fullmatch(entry["path"])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{url}: no list of files ({type(error).__name__}: {error}).") from error
    if tree.get("truncated") or not files:
        raise DataError(f"{url}: its list {'is cut off' if files else f'holds no file below {part.path}'}.")
    if len(files) != part.files:
        say(f"{part.name}: the list has {len(files):,} files; {part.files:,} were expected")
    return files
