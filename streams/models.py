"""The models of a worker: asked off the event loop, each question once, answers remembered.

An answer is a function of text, kind, type and bundle (DESIGN, rule 7), so it may be kept for ever
under a hash of these: in memory for the process, and in the asking partition's own store, where it
is committed with the state that follows from it.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.runtime import Device
from models_onnx.spans import (
    Claim,
    Judged,
    Tagged,
    Text,
    decode_judged,
    decode_tagged,
    encode_judged,
    encode_tagged,
)
from models_onnx.tagging.tagger import Tagger
from streams import metrics
from streams.answers import ANSWERS, Answered
from streams.errors import StateError
from streams.ports import Answers, Questions, State
from streams.settings import Settings

_REMEMBERED = 100_000
_AT_ONCE = 512
"""Questions of one call: few enough that a rebalance does not wait long for an answer."""
Task = Literal["tagging", "cleaning"]
Q = TypeVar("Q", Text, Claim)
A = TypeVar("A", Tagged, Judged)


class AsyncTagger(Protocol):
    """A tagger that answers off the event loop."""

    bundle_id: str

    async def tag_async(self, texts: Sequence[Text]) -> list[Tagged]: ...

    def close(self) -> None: ...


class AsyncCleaner(Protocol):
    """A cleaner that answers off the event loop."""

    bundle_id: str

    @property
    def attributes(self) -> frozenset[str]: ...

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]: ...

    def close(self) -> None: ...


class Bundles(NamedTuple):
    """The models that a stage asks; ids are empty where it asks none.

    Attributes:
        tagging, cleaning: ids.
        judges: attributes that the cleaner was trained on.
    """

    tagging: str = ""
    cleaning: str = ""
    judges: frozenset[str] = frozenset()


def text_key(text: Text, bundle_id: str) -> bytes:
    """Under what a tagged text is kept, 16 bytes."""
    return _hashed("t", text.text, text.kind, text.type, bundle_id)


def claim_key(claim: Claim, bundle_id: str) -> bytes:
    """Under what a judged claim is kept, 16 bytes."""
    return _hashed("c", claim.text, claim.type, claim.attribute, claim.value, bundle_id)


def _hashed(*parts: str) -> bytes:
    # Lengths in front: no two lists of parts may run together into the same bytes.
    told = b"".join(b"%d:%s" % (len(part), part) for part in map(str.encode, parts))
    return hashlib.blake2b(told, digest_size=16).digest()


class Models:
    """A tagger and a cleaner, and what they answered; None: the stage never asks that one."""

    def __init__(self, tagger: AsyncTagger | None, cleaner: AsyncCleaner | None) -> None:
        self._closers = [model.close for model in (tagger, cleaner) if model is not None]
        self.bundles = Bundles(
            tagger.bundle_id if tagger else "",
            cleaner.bundle_id if cleaner else "",
            cleaner.attributes if cleaner else frozenset(),
        )
        self._texts = _Asking[Text, Tagged](
            "tagging",
            lambda text: text_key(text, self.bundles[0]),
            tagger.tag_async if tagger else _nobody,
            encode_tagged,
            decode_tagged,
        )
        self._claims = _Asking[Claim, Judged](
            "cleaning",
            lambda claim: claim_key(claim, self.bundles[1]),
            cleaner.judge_async if cleaner else _nobody,
            encode_judged,
            decode_judged,
        )

    @classmethod
    def load(cls, settings: Settings, tasks: Sequence[Task] = ("tagging", "cleaning")) -> "Models":
        """The bundles that the settings name, by default those shipped.

        Args:
            settings: bundles, device and threads.
            tasks: which models are needed.

        Raises:
            ModelError: a bundle is changed or missing, or its device cannot be had.
        """
        device: Device = settings.device  # type: ignore[assignment]
        threads = settings.model_threads or None
        tagger = cleaner = None
        if "tagging" in tasks:
            tagger = Tagger.load(settings.tagging_bundle, device=device, threads=threads)
        if "cleaning" in tasks:
            cleaner = Cleaner.load(settings.cleaning_bundle, device=device, threads=threads)
        return cls(tagger, cleaner)

    async def answer(self, questions: Questions, state: State) -> Answered:
        """Answer all questions of one partition; `state` is read before the first await only."""
        known_texts = self._texts.known(questions.texts, state)
        known_claims = self._claims.known(questions.claims, state)
        tagged, texts = await self._texts.answer(questions.texts, known_texts)
        judged, claims = await self._claims.answer(questions.claims, known_claims)
        return Answered(Answers(tagged, judged), [*texts, *claims])

    def close(self) -> None:
        """End the models' threads."""
        for close in self._closers:
            close()


async def _nobody(questions: Sequence[Q]) -> list[A]:
    raise StateError(
        f"a stage asks a model that it did not declare ({questions[0]!r}): a bug, please report it"
    )


class _Asking(Generic[Q, A]):
    """One model with its memory; a question that is being answered is not asked again."""

    def __init__(
        self,
        name: str,
        key: Callable[[Q], bytes],
        ask: Callable[[Sequence[Q]], Awaitable[list[A]]],
        encode: Callable[[A], bytes],
        decode: Callable[[bytes], A],
    ) -> None:
        self._key: Callable[[Q], bytes] = key
        self._ask: Callable[[Sequence[Q]], Awaitable[list[A]]] = ask
        self._encode: Callable[[A], bytes] = encode
        self._decode: Callable[[bytes], A] = decode
        self._remembered: OrderedDict[bytes, A] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[A]] = {}
        self._seconds = metrics.INFERENCE_SECONDS.labels(name)
        self._counts = {
            source: metrics.ANSWERS.labels(name, source) for source in ("memory", "store", "model")
        }

    def known(self, questions: Sequence[Q], state: State) -> dict[Q, A]:
        """Answers that the partition's store has."""
        found: dict[Q, A] = {}
        for question in questions:
            row = state.get(ANSWERS, self._key(question))
            if row is not None:
                found[question] = self._decode(row)
        self._counts["store"].inc(len(found))
        return found

    async def answer(
        self, questions: Sequence[Q], known: dict[Q, A]
    ) -> tuple[dict[Q, A], list[tuple[bytes, bytes]]]:
        """All answers, and rows for what the asking store did not have."""
        answers = dict(known)
        keys = {each: self._key(each) for each in questions if each not in known}
        remembered = [each for each, key in keys.items() if key in self._remembered]
        for each in remembered:
            answers[each] = self._remembered[keys[each]]
            self._remembered.move_to_end(keys[each])
        self._counts["memory"].inc(len(remembered))
        missing = {each: key for each, key in keys.items() if each not in answers}
        waiting = {each: self._asked[key] for each, key in missing.items() if key in self._asked}
        new = [(each, key) for each, key in missing.items() if key not in self._asked]
        for place in range(0, len(new), _AT_ONCE):
            answers.update(await self._ask_model(new[place : place + _AT_ONCE]))
        for each, future in waiting.items():
            answers[each] = await asyncio.shield(future)
        return answers, [(key, self._encode(answers[each])) for each, key in keys.items()]

    async def _ask_model(self, new: list[tuple[Q, bytes]]) -> dict[Q, A]:
        loop = asyncio.get_running_loop()
        futures: dict[bytes, asyncio.Future[A]] = {key: loop.create_future() for _, key in new}
        self._asked.update(futures)
        begun = time.monotonic()
        try:
            told = await self._ask([each for each, _ in new])
        except BaseException as error:
            for future in futures.values():
                future.set_exception(error)
                future.exception()  # seen: it may be that nobody else waits
            raise
        finally:
            for key in futures:
                del self._asked[key]
        self._seconds.observe(time.monotonic() - begun)
        self._counts["model"].inc(len(new))
        answers: dict[Q, A] = {}
        for (each, key), answer in zip(new, told, strict=True):
            answers[each] = self._remembered[key] = answer
            futures[key].set_result(answer)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return answers
