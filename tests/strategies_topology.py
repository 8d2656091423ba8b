"""Hypothesis strategies for node ids, facts and texts as shops write them."""

from hypothesis import strategies as st

from topology.facts import (
    SOURCES,
    STATUSES,
    Evidence,
    Fact,
    concept_node,
    fact_id,
    intent_node,
    normalise,
    product_node,
    query_node,
    slug,
    type_node,
    value_node,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
"""Names of attributes and of kinds of intents."""

CHARS = st.one_of(
    st.sampled_from("abc ABC 019 -_.:/[]=%'\"&+,é ßİ ŉ ﬁ ½ ″ – ™ \u00a0\u200b\u00ad\t"),
    st.characters(),
)
RAW_TEXTS = st.text(CHARS, max_size=30)
"""Anything: control characters, surrogates, compatibility forms, what the grammar reserves."""

TEXTS = RAW_TEXTS.filter(lambda text: 0 < len(normalise(text)) <= 200)
"""Texts that have a slug."""

SLUGS = TEXTS.map(slug)

PRODUCT_IDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30
)

NODES = st.one_of(
    PRODUCT_IDS.map(product_node),
    SLUGS.map(type_node),
    st.builds(concept_node, SLUGS, NAMES, SLUGS),
    st.builds(value_node, NAMES, TEXTS),
    st.builds(intent_node, NAMES, TEXTS),
    RAW_TEXTS.map(query_node),
)

RELATIONS = st.one_of(
    st.sampled_from(("has_type", "used_for_aud", "xWant", "same_as")),
    NAMES.map(lambda name: f"has_attribute:{name}"),
)

_PRINTED = st.text(st.characters(codec="utf-8"), max_size=20)
_MANY = st.lists(_PRINTED, max_size=3).map(tuple)

EVIDENCE = st.builds(
    Evidence,
    weeks=st.lists(st.integers(0, 4000), max_size=3).map(tuple),
    queries=_MANY,
    fields=_MANY,
    bundles=_MANY,
    products=st.lists(PRODUCT_IDS.map(product_node), max_size=3).map(tuple),
)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """Facts with ids of their own parts."""
    head, relation, tail = draw(NODES), draw(RELATIONS), draw(NODES)
    return Fact(
        id=fact_id(head, relation, tail),
        head=head,
        relation=relation,
        tail=tail,
        status=draw(st.sampled_from(STATUSES)),
        score=draw(st.floats(0, 1)),
        reason=draw(_PRINTED),
        counts=draw(st.dictionaries(NAMES, st.integers(0, 2**50), max_size=5)),
        sources=tuple(sorted(draw(st.sets(st.sampled_from(SOURCES))))),
        first_week=draw(st.integers(0, 4000)),
        last_week=draw(st.integers(0, 4000)),
        evidence=draw(EVIDENCE),
    )
