"""What a title calls the type of its product and the ontology has no name for. Pure."""

from itertools import pairwise

from models_onnx.spans import Span, Tagged
from topology.ontology import Ontology
from topology.phrases import phrase_of

_TYPE = "product_type"
_INSIDE = " -"
"""What may stand between two words of one name."""


def phrases_of(
    title: str, tagged: Tagged, ontology: Ontology, *, rejected: str = ""
) -> tuple[str, ...]:
    """Nodes of the phrases, sorted.

    Spans that follow each other without a word between them are one name: the tagger marks
    "Ankle" and "Socks", the title sells ankle socks.

    Args:
        title: the text that was tagged.
        tagged: what was found in it.
        ontology: of the graph.
        rejected: text of a span; a name of which it is a part is none.
    """
    named = set()
    for run in _runs(title, [span for span in tagged.spans if span.label == _TYPE]):
        if all(span.text != rejected for span in run):
            named.add(phrase_of(ontology, title[run[0].start : run[-1].end]))
    return tuple(sorted(filter(None, named)))


def _runs(title: str, spans: list[Span]) -> list[list[Span]]:
    spans = sorted(spans, key=lambda span: span.start)
    runs = [spans[:1]] if spans else []
    for before, span in pairwise(spans):
        if title[before.end : span.start].strip(_INSIDE):
            runs.append([span])
        else:
            runs[-1].append(span)
    return runs
