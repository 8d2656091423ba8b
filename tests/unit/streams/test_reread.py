"""PRODUCTS and QUERIES derive again what an older bundle said, and end as if it had never been."""

from models_onnx.fakes import FakeCleaner, FakeTagger
from streams.events import Product, encode_product
from streams.products.stage import ProductSettings, build_products
from streams.queries import QuerySettings, build_queries
from streams.totals.messages import Asked, encode
from streams.totals.wire import join
from tests.one_partition import LEXICON, OnePartition, Tell, Totals, small_ontology

ONTOLOGY = small_ontology()
WEEK = b"02000"
NURSES = Asked("shoes nurses", (("used_for_aud", "intent:audience/nurse", 0.9),), (), (), "t")
LESS = {**LEXICON, "color": ["red"], "audience": ["nurses"]}
TITLES = {"p1": "red waterproof boots", "p2": "blue running shoes", "p3": "green mug"}


def answering(stage: OnePartition, lexicon: dict[str, list[str]]) -> OnePartition:
    stage.tagger, stage.cleaner = FakeTagger(lexicon), FakeCleaner(lexicon)
    return stage


def products(bundle: str, lexicon: dict[str, list[str]], durable=None) -> OnePartition:
    settings = ProductSettings(tagging_bundle=bundle, cleaning_bundle="cleaning@1")
    build = build_products(settings, ONTOLOGY)
    return answering(OnePartition("products", build, ["together", "claims"], durable), lexicon)


def fed(stage: OnePartition) -> OnePartition:
    for at, (product, title) in enumerate(TITLES.items()):
        record = Product(product, title, "long", (), {"color": [title.split()[0]]}, (0, at))
        stage.read("catalog", (product.encode(), encode_product(record)))
        for version, topic, key, payload in (
            (1, "bought", (b"b", WEEK), b""),
            (2, "asked", (b"q1", b"c", WEEK), encode(NURSES)),
        ):
            tell = Tell(topic, 0, 1, version, (product.encode(), *key), 3, payload)
            stage.read(topic, tell.record())
    gone = Product("p3", "", position=(0, 9), deleted=True)
    stage.read("catalog", (b"p3", encode_product(gone)))
    stage.commit()
    return stage


def told(stage: OnePartition) -> Totals:
    stage.commit()
    return stage.told()


def test_products_are_read_again_from_their_kept_records_a_few_at_a_time():
    clean = fed(products("tagging@2", LESS))
    old = fed(products("tagging@1", LEXICON))
    assert told(old) != told(clean)
    stage = products("tagging@2", LESS, old.store.durable)
    reader = stage.owner.stage
    left = [reader.outdated]
    assert left[0] > 2  # two products and samples of evidence
    assert told(stage) == told(old)
    while reader.outdated:
        assert reader.reread(1) == 1
        stage.commit()
        left.append(reader.outdated)
        if len(left) == 2:  # killed: what was committed is done, no more and no less
            stage = products("tagging@2", LESS, stage.store.durable)
            reader = stage.owner.stage
            assert reader.outdated == left[-1]
    assert left == sorted(set(left), reverse=True)
    assert told(stage) == told(clean)
    assert reader.reread(5) == 0


def test_what_was_taken_and_not_committed_is_still_outdated_after_a_crash():
    old = fed(products("tagging@1", LEXICON))
    stage = products("tagging@2", LESS, old.store.durable)
    before = stage.owner.stage.outdated
    assert stage.owner.stage.reread(2) == 2
    again = products("tagging@2", LESS, stage.store.durable)
    assert again.owner.stage.outdated == before


def test_a_new_record_takes_the_place_of_one_that_is_to_be_read_again():
    old = fed(products("tagging@1", LEXICON))
    stage = products("tagging@2", LESS, old.store.durable)
    stage.owner.stage.reread(9)
    newer = Product("p2", "red mug", position=(0, 20))
    stage.read("catalog", (b"p2", encode_product(newer)))
    stage.commit()
    clean = fed(products("tagging@2", LESS))
    clean.read("catalog", (b"p2", encode_product(newer)))
    while stage.owner.stage.outdated:
        stage.owner.stage.reread(9)
        stage.commit()
    assert told(stage) == told(clean)


def queries(bundle: str, lexicon: dict[str, list[str]], durable=None) -> OnePartition:
    build = build_queries(QuerySettings(k=2, bundle=bundle), ONTOLOGY)
    return answering(OnePartition("queries", build, ["asked"], durable), lexicon)


def tell(stage: OnePartition, version: int, key: tuple[bytes, ...], n: int, text: str) -> None:
    said = Tell("searched", 0, 1, version, key, n, text.encode())
    stage.read("searched", said.record())


def test_queries_are_tagged_again_and_one_whose_gate_closed_is_forgotten():
    def asked(stage: OnePartition) -> OnePartition:
        for place, text in enumerate(("red shoes for nurses", "blue boots for pregnant women")):
            query = b"query:%d" % place
            tell(stage, 1, (query, b"a", WEEK), 2, text)
            tell(stage, 2, (query, b"c", b"p1", WEEK), 1, "")
        stage.commit()
        return stage

    clean, old = asked(queries("t@2", LESS)), asked(queries("t@1", LEXICON))
    stage = queries("t@2", LESS, old.store.durable)
    reader = stage.owner.stage
    assert reader.outdated == 2
    assert told(stage) == told(old)
    reader.reread(1)
    stage.commit()
    assert reader.outdated == 1
    reader.reread(1)
    assert told(stage) == told(clean)
    assert told(stage)["asked", join(b"p1", b"query:0", b"c", WEEK)][0] == 1

    closing = queries("t@2", LESS, old.store.durable)
    tell(closing, 3, (b"query:1", b"a", WEEK), 1, "blue boots for pregnant women")
    closing.commit()
    assert closing.owner.stage.outdated == 1
