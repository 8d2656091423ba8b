"""The models of a worker: asked off the event loop, each question once, answers remembered.

An answer is a function of its question and the bundle (DESIGN, rule 7), so it may be kept for ever
under a hash of these: in memory for the process, and in the asking partition's own store, where it
is committed with the state that follows from it.

A model is exchanged while the worker runs in two steps: `prepare` loads and checks the new one
while the old one goes on, `Prepared.swap` puts it in place when no question is being answered.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

from models_onnx import golden
from models_onnx.cleaning.cleaner import Cleaner
from models_onnx.errors import BundleError
from models_onnx.runtime import Device
from models_onnx.spans import (
    Claim,
    Judged,
    Senses,
    Tagged,
    Term,
    Text,
    ValuePair,
    decode_judged,
    decode_senses,
    decode_tagged,
    encode_judged,
    encode_senses,
    encode_tagged,
)
from models_onnx.synonyms.matcher import Matcher
from models_onnx.tagging.tagger import Tagger
from streams.errors import StateError
from streams.models.answers import Answered, claim_key, pair_key, term_key, text_key
from streams.models.asking import Asking
from streams.models.async_models import AsyncCleaner, AsyncMatcher, AsyncTagger, Model
from streams.models.score_watch import ScoreWatch
from streams.models.watch import ModelWatch
from streams.ports import Answers, Questions, State
from streams.settings import Settings

Task = Literal["tagging", "cleaning", "synonyms"]
TASKS: tuple[Task, ...] = ("tagging", "cleaning", "synonyms")


class Bundles(NamedTuple):
    """The models that a stage asks; ids are empty where it asks none.

    Attributes:
        tagging, cleaning, synonyms: ids.
        judges: attributes that the cleaner was trained on.
    """

    tagging: str = ""
    cleaning: str = ""
    judges: frozenset[str] = frozenset()
    synonyms: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(each for each in (self.tagging, self.cleaning, self.synonyms) if each)


class Loaded(NamedTuple):
    """A model, the folder and files (name -> sha256) that it is of, and what watches it."""

    model: Model
    folder: Path
    files: Mapping[str, str]
    watch: ModelWatch | None = None


Load = Callable[[Task, Path | None], Loaded]
"""Makes the model of a task from a bundle folder; None: the one that the settings name."""


class Prepared(NamedTuple):
    """A model that is loaded and checked; `swap` puts it in place and gives the old one to close.

    Until then the old one answers. Call `swap` when no question is being answered, and close what
    it gives: that waits for threads, so not on the event loop.
    """

    task: Task
    bundle_id: str
    swap: Callable[[], Model]
    drop: Callable[[], None]


def verify_golden(task: Task, model: Model, folder: Path) -> None:
    """Ask a model the golden inputs of its bundle's folder, where it has any.

    Raises:
        BundleError: it answers one otherwise than at its release, or they cannot be read.
    """
    del task
    golden.verify(cast("golden.Model", model), golden.read(folder))


Verify = Callable[[Task, Model, Path], None]
"""Raises BundleError if a model that was just loaded does not answer as its bundle says."""


class Models:
    """A tagger, a cleaner and a matcher, and what they answered; None: the stage never asks it.

    Args:
        tagger, cleaner, matcher: loaded.
        load: makes another one, for `prepare`.
        verify: asks a new one its golden inputs.
        of: what the models are of, by task, as far as it is known.

    Attributes:
        scores: watches how sure the models are; may be replaced before anything is asked.
    """

    def __init__(
        self,
        tagger: AsyncTagger | None,
        cleaner: AsyncCleaner | None,
        matcher: AsyncMatcher | None = None,
        *,
        load: Load | None = None,
        verify: Verify = verify_golden,
        of: Mapping[Task, Loaded] | None = None,
    ) -> None:
        self.scores = ScoreWatch()
        self._tagger, self._cleaner, self._matcher = tagger, cleaner, matcher
        self._load, self._verify = load, verify
        self._of: dict[Task, Loaded] = dict(of or {})
        self._texts = Asking[Text, Tagged](
            "tagging",
            lambda: self.bundles.tagging,
            text_key,
            self._tag,
            encode_tagged,
            decode_tagged,
            lambda told: [span.score for tagged in told for span in tagged.spans],
            self._answered,
        )
        self._claims = Asking[Claim, Judged](
            "cleaning",
            lambda: self.bundles.cleaning,
            claim_key,
            self._judge,
            encode_judged,
            decode_judged,
            lambda told: [judged.score for judged in told],
            self._answered,
        )
        self._pairs = Asking[ValuePair, Judged](
            "synonyms",
            lambda: self.bundles.synonyms,
            pair_key,
            self._match,
            encode_judged,
            decode_judged,
            lambda told: [judged.score for judged in told],
            self._answered,
        )
        self._terms = Asking[Term, Senses](
            "synonyms",
            lambda: self.bundles.synonyms,
            term_key,
            self._senses,
            encode_senses,
            decode_senses,
        )

    @classmethod
    def load(cls, settings: Settings, tasks: Sequence[Task] = TASKS) -> "Models":
        """The bundles that the settings name, by default those shipped.

        Args:
            settings: bundles, device and threads.
            tasks: which models are needed.

        Raises:
            ModelError: a bundle is changed or missing, does not answer its golden inputs as it
                should, or its device cannot be had.
        """

        def load(task: Task, folder: Path | None) -> Loaded:
            return load_model(settings, task, folder)

        of = {task: load(task, None) for task in tasks}
        for task, loaded in of.items():
            verify_golden(task, loaded.model, loaded.folder)
        found = (of[task].model if task in of else None for task in TASKS)
        return cls(*found, load=load, of=of)  # type: ignore[arg-type]

    @property
    def bundles(self) -> Bundles:
        """Who answers now: another id after a swap, and after a GPU was given up."""
        tagger, cleaner, matcher = self._tagger, self._cleaner, self._matcher
        return Bundles(
            tagger.bundle_id if tagger else "",
            cleaner.bundle_id if cleaner else "",
            cleaner.attributes if cleaner else frozenset(),
            matcher.bundle_id if matcher else "",
        )

    def asks(self, task: Task) -> bool:
        """Whether the worker's stage asks the model of this task."""
        return self._asked(task) is not None

    @property
    def degraded(self) -> str:
        """A sentence where a model does not run where it was loaded; empty: all do."""
        watches = [each.watch for each in self._of.values() if each.watch]
        return "; ".join(each.degraded for each in watches if each.degraded)

    async def answer(self, questions: Questions, state: State) -> Answered:
        """Answer all questions of one partition; `state` is read before the first await only."""
        known_texts = self._texts.known(questions.texts, state)
        known_claims = self._claims.known(questions.claims, state)
        known_pairs = self._pairs.known(questions.pairs, state)
        known_terms = self._terms.known(questions.terms, state)
        tagged, texts = await self._texts.answer(questions.texts, known_texts)
        judged, claims = await self._claims.answer(questions.claims, known_claims)
        matched, pairs = await self._pairs.answer(questions.pairs, known_pairs)
        senses, terms = await self._terms.answer(questions.terms, known_terms)
        answers = Answers(tagged, judged, matched, senses)
        return Answered(answers, [*texts, *claims, *pairs, *terms])

    async def prepare(self, task: Task, folder: Path | None) -> Prepared | None:
        """Load and check another bundle while the present one goes on answering.

        Args:
            task: which model.
            folder: of the bundle; None: the one that the settings name, which may have changed.

        Returns:
            None if the very same files are in use already.

        Raises:
            ModelError: it cannot take over, and why; the present one stays.
        """
        old = self._asked(task)
        if old is None or self._load is None:
            return None
        loaded = await asyncio.to_thread(self._load, task, folder)
        new = loaded.model
        try:
            if self._is_in_use(task, loaded, old):
                new.close()
                return None
            await asyncio.to_thread(self._verify, task, new, loaded.folder)
        except BaseException:
            new.close()
            raise
        return Prepared(task, new.bundle_id, lambda: self._swap(task, loaded), new.close)

    def close(self) -> None:
        """End the models' threads."""
        for model in (self._tagger, self._cleaner, self._matcher):
            if model is not None:
                model.close()

    def _answered(self, task: str, bundle: str, scores: Sequence[float]) -> None:
        self.scores.answered(task, bundle, scores)

    def _asked(self, task: Task) -> Model | None:
        asked: dict[Task, Model | None] = {
            "tagging": self._tagger,
            "cleaning": self._cleaner,
            "synonyms": self._matcher,
        }
        return asked[task]

    def _is_in_use(self, task: Task, loaded: Loaded, old: Model) -> bool:
        """Whether these are the files in use.

        Raises:
            BundleError: they are not, but have their id.
        """
        if loaded.model.bundle_id != old.bundle_id:
            return False
        if task in self._of and loaded.files == self._of[task].files:
            return True
        raise BundleError(
            f"{loaded.folder} has the id of the bundle in use, {old.bundle_id}, but other files: "
            "answers are kept under that id; give it a version of its own"
        )

    def _swap(self, task: Task, loaded: Loaded) -> Model:
        old = self._asked(task)
        if old is None:
            raise StateError(f"there was no {task} model to swap: a bug, please report it")
        if task == "tagging":
            self._tagger = cast("AsyncTagger", loaded.model)
        elif task == "cleaning":
            self._cleaner = cast("AsyncCleaner", loaded.model)
        else:
            self._matcher = cast("AsyncMatcher", loaded.model)
        before = self._of.get(task)
        if before is not None and before.watch is not None:
            before.watch.retire()
        self._of[task] = loaded
        return old

    async def _tag(self, texts: Sequence[Text]) -> list[Tagged]:
        if self._tagger is None:
            raise _undeclared(texts[0])
        return await self._tagger.tag_async(texts)

    async def _judge(self, claims: Sequence[Claim]) -> list[Judged]:
        if self._cleaner is None:
            raise _undeclared(claims[0])
        return await self._cleaner.judge_async(claims)

    async def _match(self, pairs: Sequence[ValuePair]) -> list[Judged]:
        if self._matcher is None:
            raise _undeclared(pairs[0])
        return await self._matcher.match_async(pairs)

    async def _senses(self, terms: Sequence[Term]) -> list[Senses]:
        if self._matcher is None:
            raise _undeclared(terms[0])
        return await self._matcher.senses_async(terms)


def load_model(settings: Settings, task: Task, folder: Path | None = None) -> Loaded:
    """The model of a task, of a folder or, by default, of the settings, with its metrics.

    Raises:
        ModelError: the bundle is changed or missing, or its device cannot be had.
    """
    device: Device = settings.device  # type: ignore[assignment]
    threads = settings.model_threads or None
    made: Tagger | Cleaner | Matcher
    if task == "tagging":
        made = Tagger.load(folder or settings.tagging_bundle, device=device, threads=threads)
    elif task == "cleaning":
        made = Cleaner.load(folder or settings.cleaning_bundle, device=device, threads=threads)
    else:
        made = Matcher.load(folder or settings.synonyms_bundle, device=device, threads=threads)
    watch = ModelWatch(task, made.device, device, made.bundle)
    made.observe(watch)
    return Loaded(made, made.bundle.folder, made.bundle.manifest.files, watch)


def _undeclared(question: object) -> StateError:
    return StateError(
        f"a stage asks a model that it did not declare ({type(question).__name__}): a bug, please "
        "report it"
    )


__all__ = [
    "Bundles",
    "Loaded",
    "Models",
    "Prepared",
    "Task",
    "claim_key",
    "pair_key",
    "term_key",
    "text_key",
]
