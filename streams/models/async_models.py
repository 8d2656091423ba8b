"""What a worker needs of its models: answers that are given off the event loop."""

from collections.abc import Sequence
from typing import Protocol

from models_onnx.spans import Claim, Judged, Senses, Tagged, Term, Text, ValuePair


class AsyncTagger(Protocol):
    """A tagger that answers off the event loop."""

    @property
    def bundle_id(self) -> str: ...

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]: ...

    def close(self) -> None: ...


class AsyncCleaner(Protocol):
    """A cleaner that answers off the event loop."""

    @property
    def bundle_id(self) -> str: ...

    @property
    def attributes(self) -> frozenset[str]: ...

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]: ...

    def close(self) -> None: ...


class AsyncMatcher(Protocol):
    """A matcher that answers off the event loop."""

    @property
    def bundle_id(self) -> str: ...

    async def match_async(self, pairs: Sequence[ValuePair]) -> list[Judged]: ...

    async def senses_async(self, terms: Sequence[Term]) -> list[Senses]: ...

    def close(self) -> None: ...


Model = AsyncTagger | AsyncCleaner | AsyncMatcher
