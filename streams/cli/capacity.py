"""`cartograph capacity`: what a shop of a given size takes."""

from typing import Annotated

import msgspec
import typer

from streams import capacity as planning
from streams.cli.shell import JSON, say, show, table, told

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@told
def capacity(
    events_per_day: Annotated[float, typer.Option(help="Searches, clicks and purchases.")],
    products: Annotated[float, typer.Option(help="Of the catalog.")],
    shoppers: Annotated[float, typer.Option(help="Who come within the busiest half hour.")],
    facts: Annotated[float, typer.Option(help="That the graph will hold, of all statuses.")],
    purchases: Annotated[float, typer.Option(help="Share of the events.")] = 0.03,
    peak: Annotated[float, typer.Option(help="The busiest hour beside the mean.")] = 3.0,
    new_products: Annotated[
        float | None, typer.Option(help="A day; by default a hundredth of the catalog.")
    ] = None,
    keep_days: Annotated[int, typer.Option(min=1, help="As CARTOGRAPH_KEEP_DAYS.")] = 90,
    retention_days: Annotated[int, typer.Option(min=1, help="Of the events in Kafka.")] = 30,
    replication: Annotated[int, typer.Option(min=1, help="Copies that Kafka keeps.")] = 3,
    requests_per_s: Annotated[float, typer.Option(min=0, help="To the read API.")] = 0.0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Reckon workers, cores, memory, disk, Kafka and partitions for a shop.

    From unit costs that were measured on one machine (`python -m tests.bench.capacity` measures
    them on yours): a plan to start from, not a promise. A shop of a billion events a day:

    cartograph capacity --events-per-day 1e9 --products 1e7 --shoppers 2e7 --facts 1e8
    """
    shop = planning.Shop(
        events_per_day=events_per_day,
        products=products,
        shoppers=shoppers,
        facts=facts,
        purchases=purchases,
        peak=peak,
        new_products=products / 100 if new_products is None else new_products,
        keep_days=keep_days,
        retention_days=retention_days,
        replication=replication,
        requests_per_s=requests_per_s,
    )
    costs = planning.measured()
    found = planning.plan(shop, costs)
    value = {
        "shop": msgspec.to_builtins(shop),
        "plan": msgspec.to_builtins(found),
        "measured": costs.measured,
    }
    show(value, as_json=as_json, text=lambda: _print(found, costs))


def _print(found: planning.Plan, costs: planning.Costs) -> None:
    say(f"{found.events_per_s:,.0f} events/s at the peak; unit costs of {costs.measured}")
    say()
    rows = [
        (each.stage, each.workers, f"{each.cores:.2f}", size(each.ram_bytes), size(each.disk_bytes))
        for each in found.stages
    ]
    whole = (
        "all",
        found.workers,
        f"{found.cores:.2f}",
        size(found.ram_bytes),
        size(found.disk_bytes),
    )
    table(("stage", "workers", "cores at the peak", "memory", "disk"), [*rows, whole])
    say()
    say(f"partitions        {found.partitions} (CARTOGRAPH_PARTITIONS: fixed for the graph's life)")
    say(f"Kafka, written    {size(found.kafka_write_bytes_s)}/s at the peak, all copies")
    say(f"Kafka, read       {size(found.kafka_read_bytes_s)}/s at the peak")
    say(f"Kafka, kept       {size(found.kafka_disk_bytes)}, all copies")
    say(f"visits open       {found.open_visits:,.0f} at the peak")
    say(f"first load        {found.first_load_core_hours:,.1f} core hours of the models on CPUs")
    say(f"after an hour off {found.catch_up_s / 60:,.0f} minutes until it has caught up")
    say(f"a read replica    {size(found.replica_disk_bytes)} of disk")
    if found.replica_cores:
        say(f"the read API      {found.replica_cores:,.1f} cores over all replicas")
    say()
    say("Disk, and memory with it, are upper bounds for QUERIES and PRODUCTS: a year of weekly")
    say("totals, as if no two events of a week had a key in common. Watch cartograph_store_bytes.")


def size(value: float) -> str:
    """Bytes for people: 1.5 TB; decimal units, as disks are sold."""
    for unit in _UNITS:
        if value < 1_000 or unit == _UNITS[-1]:
            return f"{value:,.0f} {unit}" if value >= 100 or unit == "B" else f"{value:,.1f} {unit}"
        value /= 1_000
    return ""
