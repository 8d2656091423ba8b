"""Kafka: as Cartograph's own clients see it, and as kminion does where it runs."""

from deploy.grafana.make.parts import (
    BYTES,
    PER_SECOND,
    SECONDS,
    Dashboard,
    row,
    series,
    stat,
    table,
)
from deploy.grafana.make.promql import (
    at,
    each,
    p99,
    quarter,
    rate,
    since_hour,
    total,
)

_GROUP, _TOPIC = 'group_id=~"$graph[.].*"', 'topic_name=~"$graph[.].*"'
_KMINION = "Needs kminion (compose profile monitoring)."

PAGE = Dashboard(
    name="broker",
    title="Cartograph: broker",
    about="Kafka as our own clients see it; below it kminion's view, where kminion runs.",
    workers=False,
    rows=(
        row(
            series(
                "Records read",
                "By topic. Good: the shop's load, and its echoes.",
                each(rate, "cartograph_records_total", "topic"),
                unit=PER_SECOND,
            ),
            series(
                "Records sent",
                "By stage. Good: in proportion to what is read.",
                each(rate, "cartograph_messages_total", "stage"),
                unit=PER_SECOND,
            ),
            series(
                "Sending, p99",
                "From a commit until Kafka has acknowledged what follows. Good: under 0.3 s.",
                each(p99, "cartograph_step_seconds", "stage", step="send"),
                unit=SECONDS,
                alert="CartographUnsentGrowing",
            ),
            series(
                "Keys still to send",
                "Good: returns to 0.",
                each(total, "cartograph_unsent_keys", "stage"),
                alert="CartographUnsentGrowing",
            ),
            title="As our clients see it",
        ),
        row(
            series(
                "Behind, in records",
                "By topic. Good: returns to 0.",
                each(total, "cartograph_lag_records", "stage, topic"),
                alert="CartographLagGrowing",
            ),
            series(
                "Rebalances",
                "In the last quarter of an hour. Good: 0 but for starts.",
                each(quarter, "cartograph_rebalances_total", "stage"),
                alert="CartographRebalances",
            ),
            series(
                "Lost to retention",
                "In the last hour. Good: 0, always.",
                each(since_hour, "cartograph_lost_records_total", "topic"),
                bad=1,
                alert="CartographRecordsLost",
            ),
            series(
                "Last heard by replicas",
                "Seconds since. Good: under 10.",
                (f"time() - {at('cartograph_replica_heard_seconds')}", "{{instance}}"),
                unit=SECONDS,
                alert="CartographReplicaBehind",
            ),
        ),
        row(
            stat(
                "kminion",
                f"1 while all of its questions are answered. {_KMINION} Good: 1.",
                f"min({at('kminion_exporter_up')})",
                bad=1,
                down=True,
            ),
            stat(
                "Brokers",
                f"Good: as many as there should be. {_KMINION}",
                f"count({at('kminion_kafka_broker_info')})",
            ),
            table(
                "Groups",
                f"Members of each stage's group. Good: its workers. {_KMINION}",
                total("kminion_kafka_consumer_group_members", "group_id", _GROUP),
            ),
            title="As kminion sees it",
        ),
        row(
            series(
                "Behind, as committed",
                "Offsets are committed as a report, after what they stand for. Good: near 0. "
                + _KMINION,
                each(
                    total, "kminion_kafka_consumer_group_topic_lag", "group_id, topic_name", _GROUP
                ),
                alert="CartographLagGrowing",
            ),
            series(
                "Members without a partition",
                f"Good: 0; else there are more workers than partitions. {_KMINION}",
                each(total, "kminion_kafka_consumer_group_empty_members", "group_id", _GROUP),
            ),
            series(
                "Commits",
                f"Of each group. Good: steady. {_KMINION}",
                each(rate, "kminion_kafka_consumer_group_offset_commits_total", "group_id", _GROUP),
                unit=PER_SECOND,
            ),
        ),
        row(
            series(
                "Written",
                f"By topic of the graph, a second. Good: follows the shop. {_KMINION}",
                (
                    "sum by (topic_name) "
                    f"(deriv({at('kminion_kafka_topic_high_water_mark_sum', _TOPIC)}[5m]))",
                    "{{topic_name}}",
                ),
                unit=PER_SECOND,
            ),
            series(
                "On disk",
                f"By topic, all replicas. Good: `events` levels off at its retention. {_KMINION}",
                each(total, "kminion_kafka_topic_log_dir_size_total_bytes", "topic_name", _TOPIC),
                unit=BYTES,
                stacked=True,
            ),
            series(
                "Round trip, p99",
                f"Of kminion's own messages. Good: under 0.1 s. {_KMINION}",
                (p99("kminion_end_to_end_roundtrip_latency_seconds"), "round trip"),
                unit=SECONDS,
            ),
        ),
    ),
)
