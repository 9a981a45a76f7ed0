"""Where data files are, how they are downloaded and checked, and the index of what is in them."""

from bench.data.download import download, download_part
from bench.data.file_kinds import other_kind
from bench.data.hub import Selection
from bench.data.index import (
    Found,
    FoundHaystack,
    IndexedFile,
    Place,
    index_file,
    index_files,
    index_folder,
    is_indexed,
)
from bench.data.json_items import Item, each_key_once, read_items
from bench.data.manifests import (
    ListingPart,
    Manifest,
    check_file,
    data_folder,
    download_command,
    find_download,
    find_file,
    human_size,
    locate_file,
    locate_part,
    published_files,
    read_manifest,
)

__all__ = [
    "Found",
    "FoundHaystack",
    "IndexedFile",
    "Item",
    "ListingPart",
    "Manifest",
    "Place",
    "Selection",
    "check_file",
    "data_folder",
    "download",
    "download_command",
    "download_part",
    "each_key_once",
    "find_download",
    "find_file",
    "human_size",
    "index_file",
    "index_files",
    "index_folder",
    "is_indexed",
    "locate_file",
    "locate_part",
    "other_kind",
    "published_files",
    "read_items",
    "read_manifest",
]
