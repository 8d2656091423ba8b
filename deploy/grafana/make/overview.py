"""The first page: is the graph alive, fresh and growing, and what does it take."""

from deploy.grafana.make.parts import (
    BYTES,
    RATIO,
    SECONDS,
    Dashboard,
    row,
    series,
    stat,
)
from deploy.grafana.make.promql import (
    WORKER,
    at,
    each,
    none_is_zero,
    p99,
    quantiles,
    rate,
    total,
    worst,
)

_READ = "cartograph_records_total"

PAGE = Dashboard(
    name="overview",
    title="Cartograph: overview",
    about="Is the graph alive, fresh and growing? Everything green and flat is good.",
    rows=(
        row(
            stat(
                "Processes away",
                "Workers and replicas that Prometheus cannot read. Good: 0.",
                none_is_zero(f"count({at('up')} == 0)"),
                bad=1,
                alert="CartographWorkerDown",
            ),
            stat(
                "Alerts",
                "Alerts of this graph that fire now. Good: 0.",
                none_is_zero('count(ALERTS{alertstate="firing", graph="$graph"})'),
                warn=1,
                bad=3,
            ),
            stat(
                "Records in",
                "What ROUTE reads of the shop's topics. Good: as much as the shop sends.",
                rate(_READ, "", stage="route"),
                unit="cps",
            ),
            stat(
                "Behind",
                "How long the oldest unread record of any stage waits at most. Good: seconds.",
                worst("cartograph_lag_seconds"),
                unit=SECONDS,
                warn=60,
                bad=600,
                alert="CartographLagSeconds",
            ),
            stat(
                "Event to served fact, p99",
                "From an event's Kafka timestamp until a replica serves what follows from it. "
                "Good: under 2 s live; the age of the events while a backlog is read.",
                p99("cartograph_end_to_end_seconds"),
                unit=SECONDS,
                warn=2,
                bad=30,
                alert="CartographEndToEndSlow",
            ),
            stat(
                "Facts accepted",
                "Accepted facts over all partitions. Good: grows, or rests when the shop does.",
                total("cartograph_facts", "", status="accepted"),
            ),
        ),
        row(
            series(
                "Records read",
                "By stage. Good: ROUTE as much as the shop sends, the others in proportion.",
                each(rate, _READ, "stage"),
                unit="cps",
            ),
            series(
                "Behind, by stage",
                "The oldest unread record of each stage. Good: near 0 and flat.",
                each(worst, "cartograph_lag_seconds", "stage"),
                unit=SECONDS,
                warn=60,
                bad=600,
                alert="CartographLagSeconds",
            ),
            series(
                "Event to served fact",
                "From an event's Kafka timestamp until a replica serves what follows. Good: p99 "
                "under 2 s.",
                *quantiles("cartograph_end_to_end_seconds", 0.5, 0.9, 0.99),
                unit=SECONDS,
                bad=30,
                alert="CartographEndToEndSlow",
            ),
            title="Freshness",
        ),
        row(
            series(
                "Facts by status",
                "Good: accepted grows; held does not outgrow it (people or a better bundle must "
                "decide those).",
                each(total, "cartograph_facts", "status"),
                stacked=True,
                alert="CartographHeldBacklog",
            ),
            series(
                "Dead letters",
                "Records that cannot be read, by reason, a second. Good: 0.",
                each(rate, "cartograph_dead_letters_total", "stage, reason"),
                unit="cps",
                alert="CartographDeadLetters",
            ),
            series(
                "Late share",
                "Events that SHOPPERS found too late to count. Good: under 5 %.",
                (
                    f"{rate(_READ, 'stage', stage='shoppers', outcome='late')} / "
                    f"{rate(_READ, 'stage', stage='shoppers')}",
                    "late",
                ),
                unit=RATIO,
                bad=0.05,
                alert="CartographLate",
            ),
            title="What becomes of records",
        ),
        row(
            series(
                "CPU",
                "Cores that each process uses. Good: under 0.8; a stage at 1 needs another worker.",
                (
                    f"rate({at('process_cpu_seconds_total', WORKER)}[$__rate_interval])",
                    "{{worker}}",
                ),
                alert="CartographLagGrowing",
            ),
            series(
                "Memory",
                "Resident memory of each process. Good: flat after the first hours.",
                (at("process_resident_memory_bytes", WORKER), "{{worker}}"),
                unit=BYTES,
                alert="CartographMemory",
            ),
            series(
                "Disk",
                "Stores of each stage. Good: grows with facts and shoppers, not by itself.",
                each(total, "cartograph_store_bytes", "stage"),
                unit=BYTES,
                stacked=True,
                alert="CartographStoreGrowing",
            ),
            title="What it takes",
        ),
        row(
            series(
                "Starts",
                "Starts of each process in the last quarter of an hour. Good: 0 but for upgrades.",
                (f"changes({at('process_start_time_seconds', WORKER)}[15m])", "{{worker}}"),
                alert="CartographWorkerRestarting",
            ),
            series(
                "Open files",
                "Share of those that a process may have. Good: under half.",
                (
                    f"{at('process_open_fds', WORKER)} / {at('process_max_fds', WORKER)}",
                    "{{worker}}",
                ),
                unit=RATIO,
                maximum=1,
                alert="CartographOpenFiles",
            ),
            series(
                "API requests",
                "By status. Good: 2xx and 4xx that clients cause, no 5xx.",
                each(rate, "cartograph_http_requests_total", "status"),
                unit="reqps",
                alert="CartographApiErrors",
            ),
            series(
                "API time, p99",
                "By path. Good: under 0.1 s.",
                each(p99, "cartograph_http_seconds", "path"),
                unit=SECONDS,
                alert="CartographApiErrors",
            ),
            series(
                "API refused",
                "At the door, by reason. Good: none; many bad-token or not-the-proxy: somebody "
                "tries; too-often: a client asks more than api_rate.",
                each(rate, "cartograph_http_refused_total", "reason"),
                unit="reqps",
                alert="CartographApiErrors",
            ),
            title="Processes and the read API",
        ),
    ),
)
