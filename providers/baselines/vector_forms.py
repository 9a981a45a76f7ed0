"""What goes to a model of a message, and how what the model makes of it is kept and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from providers.baselines.rerank import TokenVectors
from providers.baselines.store import dated
from vocabulary import Message, ProviderError, Session

if TYPE_CHECKING:  # a tenth of a second to import: only who searches pays for that
    import numpy as np
    from numpy.typing import NDArray

Embedded = TypeVar("Embedded", contravariant=True)

_SCALE_BYTES = 4
_TOKEN = 384
"""Numbers of a token's vector, a byte each."""
_PRODUCT = 1 << 18
"""The largest product of the sides of a matrix product that BLAS computes on one core."""


class Texts(Protocol):
    """The vectors of some texts, in their order."""

    @property
    def nbytes(self) -> int:
        """The memory that they take."""

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """How well each text fits the query, shape (texts,); raises `ProviderError` if another model made it."""


class Form(Protocol[Embedded]):
    """What is embedded of a message, and how that is kept."""

    def text(self, session: Session, message: Message) -> str | None:
        """What is embedded of a message; None where nothing was said."""

    def stored(self, embedded: Embedded) -> bytes:
        """The bytes of one text in the file."""

    def read(self, stored: Sequence[bytes]) -> Texts:
        """Some texts by their bytes."""

    def check(self, first: bytes, new: bytes) -> None:
        """Raise `ProviderError` if `new` cannot stand beside the `first` text in the file."""


def embedded_text(message: Message) -> str | None:
    """A message as a text: ``Speaker: text [shared image: caption]``; None where nothing was said."""
    return message.rendered() if message.text.strip() or message.caption else None


class OneVector:
    """A vector for each text, compared by its cosine: both have length 1.

    Texts are without their session's date, so that a message that occurs in several haystacks on different days has
    one vector.
    """

    def text(self, _session: Session, message: Message) -> str | None:
        """The message, without its date."""
        return embedded_text(message)

    def stored(self, embedded: NDArray[np.float32]) -> bytes:
        """Four bytes a number."""
        return embedded.tobytes()

    def read(self, stored: Sequence[bytes]) -> Texts:
        """A row for each text."""
        import numpy as np

        return _Rows(np.frombuffer(b"".join(stored), np.float32).reshape(len(stored), -1))

    def check(self, first: bytes, new: bytes) -> None:
        """Refuse a vector of another dimension."""
        if len(first) != len(new):
            raise ProviderError(
                f"the embedder gives vectors of {len(new) // 4} numbers, and those stored before have "
                f"{len(first) // 4}: it is not the same model any more. Begin a new run."
            )


@dataclass(frozen=True, slots=True)
class _Rows:
    vectors: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return self.vectors.nbytes

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        if self.vectors.shape[1] != query.size:
            raise ProviderError(
                f"the embedder gives the question {query.size} numbers, and the messages have {self.vectors.shape[1]}: "
                "it is not the same model any more. Begin a new run."
            )
        # not `@`: BLAS would spread it over all cores, and group rows so that equal ones may differ in a bit
        found: NDArray[np.float32] = np.vecdot(self.vectors, query)
        return found


class VectorOfEachToken:
    """A vector for each token of a text, compared by the mean best cosine of the question's tokens.

    Texts begin with their session's date: questions about time are found by it.
    """

    def text(self, session: Session, message: Message) -> str | None:
        """The message with its date."""
        text = embedded_text(message)
        return None if text is None else dated(session.date, text)

    def stored(self, embedded: TokenVectors) -> bytes:
        """The scales of the tokens, then a byte a number: 388 bytes a token."""
        return embedded.scale.tobytes() + embedded.numbers.tobytes()

    def read(self, stored: Sequence[bytes]) -> Texts:
        """The tokens of all texts one after the other."""
        import numpy as np

        width = _SCALE_BYTES + _TOKEN
        counts = np.array([len(text) // width for text in stored])
        scale = b"".join(text[: _SCALE_BYTES * count] for text, count in zip(stored, counts, strict=True))
        numbers = b"".join(text[_SCALE_BYTES * count :] for text, count in zip(stored, counts, strict=True))
        return _Tokens(
            np.frombuffer(numbers, np.int8).reshape(-1, _TOKEN),
            np.frombuffer(scale, np.float32).reshape(-1, 1),
            np.concatenate([[0], np.cumsum(counts)[:-1]]),
        )

    def check(self, first: bytes, new: bytes) -> None:
        """Anything can: the model is packaged."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    """`numbers` times `scale` are the vectors; the tokens of each text begin at one of `starts`."""

    numbers: NDArray[np.int8]
    scale: NDArray[np.float32]
    starts: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        return self.numbers.nbytes + self.scale.nbytes + self.starts.nbytes

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over the rows of `query`, shape (tokens, 384), of the best cosine with a token of each text."""
        import numpy as np

        # whole numbers: their products are exact, so that equal texts have equal scores wherever they stand
        size = np.abs(query).max(axis=1, keepdims=True) / 127
        asked = np.rint(query / size).T
        rows = max(1, _PRODUCT // asked.size)
        products = np.empty((len(self.numbers), len(query)), np.float32)
        for row in range(0, len(self.numbers), rows):
            some = self.numbers[row : row + rows].astype(np.float32)
            np.matmul(some, asked, out=products[row : row + rows])
        products *= self.scale
        best = np.maximum.reduceat(products, self.starts, axis=0)
        found: NDArray[np.float32] = (best * size.T).mean(axis=1)
        return found
