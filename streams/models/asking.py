"""One model with its memory: each question asked once, answers remembered in the process."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from models_onnx.spans import Claim, Judged, Senses, Tagged, Term, Text, ValuePair
from streams.models.answers import ANSWERS
from streams.monitoring import metrics
from streams.ports import State

_REMEMBERED = 100_000
_AT_ONCE = 512
"""Questions of one call: few enough that a rebalance does not wait long for an answer, and that
what waits for a model is bounded by this times the partitions of the process."""
Answered = Callable[[str, str, Sequence[float]], None]
"""(task, id of the bundle, scores 0..1 of one call)."""
Q = TypeVar("Q", Text, Claim, ValuePair, Term)
A = TypeVar("A", Tagged, Judged, Senses)


class Asking(Generic[Q, A]):
    """One model with its memory; a question that is being answered is not asked again.

    Args:
        name: the task, for metrics.
        bundle: id of the bundle that would answer now.
        key: (question, id of a bundle) -> under what its answer is kept.
        ask: the model.
        encode, decode: an answer as bytes and back.
        scores: of answers, 0..1, in their order.
        answered: told the scores of what the model has newly said, once a call.
    """

    def __init__(
        self,
        name: str,
        bundle: Callable[[], str],
        key: Callable[[Q, str], bytes],
        ask: Callable[[Sequence[Q]], Awaitable[list[A]]],
        encode: Callable[[A], bytes],
        decode: Callable[[bytes], A],
        scores: Callable[[Sequence[A]], Sequence[float]] = lambda _: (),
        answered: Answered = lambda task, bundle, scores: None,
    ) -> None:
        self._name, self._answered = name, answered
        self._scores: Callable[[Sequence[A]], Sequence[float]] = scores
        self._bundle = bundle
        self._key: Callable[[Q, str], bytes] = key
        self._ask: Callable[[Sequence[Q]], Awaitable[list[A]]] = ask
        self._encode: Callable[[A], bytes] = encode
        self._decode: Callable[[bytes], A] = decode
        self._remembered: OrderedDict[bytes, A] = OrderedDict()
        self._asked: dict[bytes, asyncio.Future[A]] = {}
        self._seconds = metrics.INFERENCE_SECONDS.labels(name)
        self._waiting = metrics.MODEL_WAITING.labels(name)
        self._requests = {
            outcome: metrics.MODEL_REQUESTS.labels(name, outcome) for outcome in ("done", "failed")
        }
        self._counts = {
            source: metrics.ANSWERS.labels(name, source) for source in ("memory", "store", "model")
        }

    def known(self, questions: Sequence[Q], state: State) -> dict[Q, A]:
        """Answers of the bundle that answers now, as far as the partition's store has them."""
        found: dict[Q, A] = {}
        bundle = self._bundle()
        for question in questions:
            row = state.get(ANSWERS, self._key(question, bundle))
            if row is not None:
                found[question] = self._decode(row)
        self._counts["store"].inc(len(found))
        return found

    async def answer(
        self, questions: Sequence[Q], known: dict[Q, A]
    ) -> tuple[dict[Q, A], list[tuple[bytes, bytes]]]:
        """All answers, of one bundle, and rows for what the asking store did not have."""
        while True:
            bundle = self._bundle()
            answers, keys = await self._answer(questions, known, bundle)
            if self._bundle() == bundle:
                return answers, [(key, self._encode(answers[each])) for each, key in keys.items()]
            known = {}  # the model moved to another device meanwhile: what it said is of two

    async def _answer(
        self, questions: Sequence[Q], known: dict[Q, A], bundle: str
    ) -> tuple[dict[Q, A], dict[Q, bytes]]:
        answers = dict(known)
        keys = {each: self._key(each, bundle) for each in questions if each not in known}
        remembered = [each for each, key in keys.items() if key in self._remembered]
        for each in remembered:
            answers[each] = self._remembered[keys[each]]
            self._remembered.move_to_end(keys[each])
        self._counts["memory"].inc(len(remembered))
        missing = {each: key for each, key in keys.items() if each not in answers}
        waiting = {each: self._asked[key] for each, key in missing.items() if key in self._asked}
        new = [(each, key) for each, key in missing.items() if key not in self._asked]
        for place in range(0, len(new), _AT_ONCE):
            answers.update(await self._ask_model(new[place : place + _AT_ONCE], bundle))
        for each, future in waiting.items():
            answers[each] = await asyncio.shield(future)
        return answers, keys

    async def _ask_model(self, new: list[tuple[Q, bytes]], bundle: str) -> dict[Q, A]:
        loop = asyncio.get_running_loop()
        futures: dict[bytes, asyncio.Future[A]] = {key: loop.create_future() for _, key in new}
        self._asked.update(futures)
        self._waiting.inc(len(new))
        begun = time.monotonic()
        try:
            told = await self._ask([each for each, _ in new])
        except BaseException as error:
            self._requests["failed"].inc()
            for future in futures.values():
                future.set_exception(error)
                future.exception()  # seen: it may be that nobody else waits
            raise
        finally:
            self._waiting.dec(len(new))
            for key in futures:
                del self._asked[key]
        self._seconds.observe(time.monotonic() - begun)
        self._requests["done"].inc()
        self._counts["model"].inc(len(new))
        is_one_bundle = self._bundle() == bundle
        answers: dict[Q, A] = {}
        for (each, key), answer in zip(new, told, strict=True):
            answers[each] = answer
            if is_one_bundle:
                self._remembered[key] = answer
            futures[key].set_result(answer)
        if is_one_bundle:
            self._answered(self._name, bundle, self._scores(told))
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return answers
