"""Claims to verdicts, with the model of a bundle."""

from collections.abc import Sequence

from models_onnx.bundle import Bundle
from models_onnx.cleaning.decide import check_thresholds, decide
from models_onnx.cleaning.wording import worded
from models_onnx.runtime import Session
from models_onnx.served import Served
from models_onnx.spans import HELD, Claim, Judged
from models_onnx.tokens import Encoded, Tokens
from models_onnx.workers import Row, Workers

OUTPUTS = ("score",)
"""Of the graph: float32 [claims], 0..1."""

_PROBE = Claim("black leather shoes for men, size 8", "shoes", "color", "black")


class Cleaner(Served):
    """Judges claims. Thread-safe; a claim's answer never depends on its company.

    A claim without a text is judged by plausibility and has thresholds of its own. A claim without
    a value or attribute, and one that the model fails on, is held (`set_aside` counts the latter).
    Attributes may be named as a catalog names them ("attr_t_product_colour", "baseColour").
    `attributes` are the labels that it knows best; see the bundle's card.

    Raises:
        ShapeError: the graph's outputs are not a cleaner's.
        BundleError: thresholds are missing or out of order.
        InferenceError: the session is broken.
    """

    task = "cleaning"

    def __init__(self, bundle: Bundle, session: Session, *, threads: int | None = None) -> None:
        super().__init__(bundle, session)
        self.attributes = frozenset(bundle.manifest.labels)
        self._accept = (bundle.threshold("accept"), bundle.threshold("accept_without_text"))
        self._reject = (bundle.threshold("reject"), bundle.threshold("reject_without_text"))
        for accept, reject in zip(self._accept, self._reject, strict=True):
            check_thresholds(accept=accept, reject=reject)
        longest = bundle.manifest.max_tokens
        self._tokens = Tokens.load(bundle.tokenizer_path, max_tokens=longest)
        probe = self._encode(_PROBE)
        self._workers = Workers(
            session,
            probe=probe,
            pad=self._tokens.pad,
            outputs=OUTPUTS,
            longest=longest,
            threads=threads,
        )
        self._read(_PROBE, probe, self._workers.warm)

    def judge(self, claims: Sequence[Claim]) -> list[Judged]:
        """One `Judged` for each claim, in the order given."""
        return self._workers.map(claims, self._encode, self._read)

    async def judge_async(self, claims: Sequence[Claim]) -> list[Judged]:
        """As `judge`, off the event loop."""
        return await self._workers.map_async(claims, self._encode, self._read)

    def _encode(self, claim: Claim) -> Encoded:
        return self._tokens.encode_claim(worded(claim))

    def _read(self, claim: Claim, encoded: Encoded, row: Row | None) -> Judged:
        del encoded
        if row is None or not claim.value.strip() or not claim.attribute.strip():
            return HELD
        bare = not claim.text.strip()
        return decide(float(row[0]), accept=self._accept[bare], reject=self._reject[bare])
