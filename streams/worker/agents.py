"""The Faust side of a stage: one app, one agent on one channel over all its input topics.

One channel of a few fetches keeps them in the order in which they were fetched, and lets a slow
stage slow the fetching down.
"""

from collections.abc import Awaitable, Callable, Sequence

from faust import StreamT
from mode import CrashingSupervisor

from streams.kafka import connection
from streams.kafka.fetch import Span, Spans
from streams.kafka.lease import Lease
from streams.kafka.transport import Assignee, PromptTables, SpanApp, SpanSchema
from streams.process import machine, status
from streams.settings import Settings

_CHANNEL_FETCHES = 4
_HEARTBEATS = 5
Read = Callable[[str, int, Span], Awaitable[None]]


def member_id(settings: Settings, worker: str) -> str:
    """How Kafka knows a worker, before and after a restart: "graph.cartograph-graph-0.graph-0".

    Args:
        settings: of the worker; without `member` the data folder has a name of its own.
        worker: stage and slot.
    """
    machine_name = settings.member or machine.folder_id(settings.data_dir)
    return f"{settings.names.own}.{machine_name}.{worker}"


def new_app(
    settings: Settings,
    stage: str,
    instance: str,
    *,
    assignee: Assignee,
    lease: Lease,
    fail: Callable[[BaseException], None],
    fetch_records: int = 4_000,
    app_class: type[SpanApp] = SpanApp,
) -> SpanApp:
    """A Faust app for one stage, without agents yet.

    Args:
        settings: of the worker.
        stage: names the consumer group.
        instance: names this member of the group for as long as it may be restarted.
        assignee: opens and closes the partitions.
        lease: renewed by the app's heartbeats.
        fail: told what ends the worker.
        fetch_records: records after which a fetch takes no further batch.
        app_class: what to make.
    """
    session_s = settings.session_timeout_ms / 1000
    folder = status.run_folder(settings) / "faust"  # stays empty: there are no tables
    folder.mkdir(parents=True, exist_ok=True)
    app = app_class(
        settings.group(stage),
        broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
        broker_credentials=connection.credentials(settings),
        broker_session_timeout=session_s,
        broker_rebalance_timeout=session_s,
        broker_heartbeat_interval=session_s / _HEARTBEATS,
        broker_commit_interval=3600.0,  # there is nothing that Faust could commit
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=instance,
        # 1 standby makes Faust use its own assignor, which gives equal numbers of all topics.
        table_standby_replicas=1,
        TableManager=PromptTables,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        web_enabled=False,
        autodiscover=False,
        store="memory://",
        datadir=str(folder),
        logging_config=None,
        loghandlers=[],
    )
    app.assignee = assignee
    app.lease = lease
    app.fail = fail
    app.fetch_records = fetch_records
    return app


def add_agent(app: SpanApp, stage: str, topics: Sequence[str], read: Read) -> None:
    """Let `read` have the spans of all topics (full names), one after the other.

    Whatever it raises ends the worker, which starts again from what its stores say.
    """
    channel = app.topic(*topics, schema=SpanSchema(), acks=False, maxsize=_CHANNEL_FETCHES)

    async def work(stream: StreamT[Spans]) -> None:
        async for spans in stream:
            try:
                for tp, span in spans:
                    await read(tp.topic, tp.partition, span)
            except Exception as error:
                app.fail(error)
                raise

    app.agent(channel, name=stage, supervisor_strategy=CrashingSupervisor)(work)
