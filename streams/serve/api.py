"""The HTTP read API: paths, parameters and their bounds; the answers come from pure modules."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.serve import answers, lookup, metrics, problems
from streams.serve.answers import (
    MAX_LIMIT,
    MAX_QUERIES,
    MAX_QUERY,
    REF,
    Alive,
    BatchAnswer,
    BatchQuestion,
    Wanted,
    schemas,
)
from streams.serve.auth import OPEN
from streams.serve.guard import Gate, Guarded
from streams.serve.intents import QueryReader, QueryTagger, intents_answer
from streams.serve.limits import MAX_BODY_BYTES, too_large
from streams.serve.problems import bad_request
from streams.serve.reader import Reader, Readiness
from topology.errors import BadNodeError
from topology.facts import parse_node
from topology.ontology import Ontology

MAX_BATCH_INTENTS = 10_000
"""Queries times limit of a batch: an answer of some 10 MB at most."""

_TITLE = "Cartograph"
_ABOUT = (
    "A product knowledge graph, built as a stream. Only accepted facts are served unless `status` "
    "asks for others. Node and fact ids in a path are percent-encoded. Every answer says with "
    "`as_of` how fresh it is. Errors are application/problem+json (RFC 9457)."
)

_R = TypeVar("_R", bound=msgspec.Struct)
Ready = Callable[[], Readiness]
NodeId = Annotated[str, Path(description="A node id: value:color/red, percent-encoded.")]
FactId = Annotated[
    str,
    Path(
        description="A fact id: 32 hex digits.",
        json_schema_extra={"pattern": "^[0-9a-f]{32}$"},  # told alone: what is none is a bad-id
    ),
]
Status = Annotated[Wanted, Query(description="Which facts; held ones are not taken for true.")]
Relation = Annotated[str, Query(description="Of this relation alone.", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Query(description="`next` of the page before.", max_length=4_000)]
Score = Annotated[float, Query(ge=0.0, le=1.0)]
_encode = msgspec.json.Encoder().encode


def build_api(
    reader: Reader,
    tagger: QueryTagger,
    ontology: Ontology,
    ready: Ready,
    *,
    about: Alive | None = None,
    version: str = "0",
    gate: Gate | None = None,
) -> FastAPI:
    """The API over one graph.

    Args:
        reader: the graph and how fresh it is; read in the event loop, which also changes it.
        tagger: reads queries, off the event loop.
        ontology: of the graph.
        ready: what /readyz answers.
        about: what /livez answers, so that others can tell that it is this process.
        version: of the program.
        gate: who may ask; None: whoever calls the app, as tests do.
    """
    api = FastAPI(title=_TITLE, version=version, description=_ABOUT, docs_url=None, redoc_url=None)
    problems.add_handlers(api)
    if gate is not None:
        api.add_middleware(Guarded, gate=gate)
    api.add_middleware(_Measured)  # the last added is outermost: what is refused is counted too
    metrics.describe_build(version)
    _add_nodes(api, reader, ontology)
    _add_facts(api, reader, ontology)
    _add_intents(api, reader, ontology, QueryReader(tagger, ontology))
    _add_probes(api, reader, ready, about or Alive("", 0))
    guarded = gate is not None and gate.wants_tokens
    api.openapi = lambda: _openapi(api, guarded=guarded)  # type: ignore[method-assign]
    return api


def _add_nodes(api: FastAPI, reader: Reader, ontology: Ontology) -> None:
    # Before the node itself: an id may hold "/", so that path takes whatever is left.
    @api.get("/v1/nodes/{node_id:path}/neighbors", responses=_told(answers.NeighborsAnswer))
    async def neighbors(
        node_id: NodeId,
        relation: Relation = "",
        status: Status = "accepted",
        direction: Literal["out", "in", "both"] = "both",
        min_score: Score = 0.0,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        """The nodes that facts join to this one, a page at a time."""
        if _is_named_neighbors(node_id):
            return await node(f"{node_id}/neighbors")
        page = lookup.neighbors(
            reader,
            ontology,
            node_id,
            relation=relation,
            wanted=status,
            direction=direction,
            min_score=min_score,
            limit=limit,
            cursor=cursor,
        )
        return _json(page)

    @api.get("/v1/nodes/{node_id:path}", responses=_told(answers.NodeAnswer))
    async def node(node_id: NodeId) -> Response:
        """What is known of a node, in numbers."""
        return _json(lookup.node_answer(reader, ontology, node_id))


def _add_facts(api: FastAPI, reader: Reader, ontology: Ontology) -> None:
    @api.get("/v1/facts", responses=_told(answers.FactsAnswer))
    async def facts(
        relation: Relation = "",
        status: Status = "accepted",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """All facts, by id, a page at a time."""
        page = lookup.facts_page(
            reader, relation=relation, wanted=status, limit=limit, cursor=cursor
        )
        return _json(page)

    @api.get("/v1/facts/{fact_id}/why", responses=_told(answers.WhyAnswer))
    async def why(fact_id: FactId, status: Status = "accepted") -> Response:
        """Why a fact has its status, in words, with a sample of what stands behind it."""
        return _json(lookup.why_answer(reader, ontology, fact_id, status))

    @api.get("/v1/facts/{fact_id}", responses=_told(answers.FactAnswer))
    async def fact(fact_id: FactId, status: Status = "accepted") -> Response:
        """A fact as it was published."""
        return _json(lookup.fact_answer(reader, fact_id, status))


def _add_intents(api: FastAPI, reader: Reader, ontology: Ontology, queries: QueryReader) -> None:
    @api.get("/v1/intents", responses=_told(answers.IntentsAnswer))
    async def intents(
        q: Annotated[
            str, Query(min_length=1, max_length=MAX_QUERY, description="What is searched.")
        ],
        limit: Limit = 10,
    ) -> Response:
        """What people who ask like this want, also of a query that nobody asked before."""
        (reading,) = await queries.read([q])
        return _json(intents_answer(reader, ontology, reading, limit=limit))

    body = {"required": True, "content": _content(BatchQuestion)}

    @api.post(
        "/v1/intents:batch", responses=_told(BatchAnswer), openapi_extra={"requestBody": body}
    )
    async def batch(question: Annotated[BatchQuestion, Depends(_batch_question)]) -> Response:
        """As /v1/intents, for up to 100 queries."""
        readings = await queries.read(question.queries)
        found = [
            intents_answer(reader, ontology, reading, limit=question.limit) for reading in readings
        ]
        return _json(BatchAnswer(tuple(found)))


def _add_probes(api: FastAPI, reader: Reader, ready: Ready, about: Alive) -> None:
    @api.get("/livez", responses=_told(Alive))
    async def livez() -> Response:
        """The process answers."""
        return _json(about)

    @api.get("/readyz", responses={**_told(Readiness), 503: {"content": _content(Readiness)}})
    async def readyz() -> Response:
        """Whether the replica has caught up and the model is loaded; 503 with reasons if not."""
        found = ready()
        return _json(found, HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    @api.get("/metrics", include_in_schema=False)
    async def metrics_page() -> Response:
        as_of = reader.as_of()
        metrics.REPLICA_LAG.set(-1 if as_of.lag is None else as_of.lag)
        metrics.REPLICA_HEARD.set(as_of.heard_ms / 1000)
        metrics.REPLICA_READY.set(ready().ready)
        return Response(metrics.page(), media_type=metrics.MEDIA_TYPE)


async def _batch_question(request: Request) -> BatchQuestion:
    """The body, read by msgspec so that its bounds are told like all others."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY_BYTES:
            raise too_large()
    try:
        question = msgspec.json.decode(data, type=BatchQuestion)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise bad_request(
            "bad-body",
            f'{error}: send {{"queries": ["...", ...], "limit": 10}}, up to {MAX_QUERIES}',
        ) from error
    if len(question.queries) * question.limit > MAX_BATCH_INTENTS:
        raise bad_request(
            "bad-body",
            f"queries times limit is at most {MAX_BATCH_INTENTS:,}: lower the limit, or ask in "
            "several batches",
        )
    return question


def _is_named_neighbors(node_id: str) -> bool:
    """Whether the path is that of a node called "neighbors": intent:location/neighbors.

    A server decodes %2F before it looks for a path. No id is right both with and without
    "/neighbors" at its end, so the grammar of ids tells the two apart.
    """
    try:
        parse_node(node_id)
    except BadNodeError:
        try:
            parse_node(f"{node_id}/neighbors")
        except BadNodeError:
            return False
        return True
    return False


class _Measured:
    """Counts and times by path template: never an id or a query in a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def told(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            path = getattr(scope.get("route"), "path", "other")
            metrics.REQUESTS.labels(path, str(status)).inc()
            metrics.REQUEST_SECONDS.labels(path).observe(time.perf_counter() - begun)


def _json(value: _R, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(_encode(value), status.value, media_type="application/json")


def _content(kind: type[msgspec.Struct], media_type: str = "application/json") -> Any:
    return {media_type: {"schema": {"$ref": REF.format(name=kind.__name__)}}}


def _told(kind: type[msgspec.Struct]) -> dict[int | str, Any]:
    """What a path answers, for OpenAPI."""
    return {
        200: {"description": (kind.__doc__ or "").partition("\n")[0], "content": _content(kind)},
        "4XX": {
            "description": "What was wrong with the request, and what to do.",
            "content": _content(problems.Problem, problems.MEDIA_TYPE),
        },
    }


def _openapi(api: FastAPI, *, guarded: bool) -> dict[str, Any]:
    if api.openapi_schema is None:
        found = get_openapi(
            title=api.title, version=api.version, description=api.description, routes=api.routes
        )
        for name, path in found["paths"].items():
            for method in path.values():
                if guarded and name not in OPEN:
                    method["security"] = [{"bearer": []}]
                method["responses"].pop("422", None)  # it is one of the 4XX, told as a problem
        found["components"] = {"schemas": dict(schemas())}
        if guarded:
            bearer = {"type": "http", "scheme": "bearer"}
            found["components"]["securitySchemes"] = {"bearer": bearer}
        api.openapi_schema = found
    return api.openapi_schema
