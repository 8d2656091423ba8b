"""The private names of Faust and aiokafka that the transport stands on."""

import inspect
from importlib.metadata import version

import aiokafka.consumer.fetcher as fetcher_module
import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import (
    Assignment,
    SubscriptionState,
    TopicPartitionState,
)
from faust.tables import TableManager
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver

from streams.kafka.transport import SpanConsumer


def test_the_versions_are_those_that_the_private_names_were_read_in():
    assert version("faust-streaming").startswith("0.15.")
    assert version("aiokafka").startswith("0.14.")


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (
            Fetcher.__init__,
            "self._isolation_level self._fetch_max_wait_ms self._records self._subscriptions "
            "self._wait_consume_future",
        ),
        (Fetcher._create_fetch_waiter, "self._fetch_waiters"),
        (Fetcher._notify, "future"),
        (Fetcher.seek_to, "self._subscriptions.seek del self._records[tp]"),
        (FetchResult.__init__, "self._partition_records self._assignment"),
        (FetchResult.check_assignment, "self._partition_records.next_fetch_offset"),
        (FetchResult.has_more, "self._partition_records is not None"),
        (
            PartitionRecords.__init__,
            "self._records self._check_crcs self._isolation_level self._aborted_producers self._tp "
            "self._records_iterator = self._unpack_records()",
        ),
        (PartitionRecords._consume_aborted_up_to, "self._aborted_producers.add"),
        (PartitionRecords._contains_abort_marker, "ABORT_MARKER"),
        (TopicPartitionState.__init__, "self._position self.highwater self.lso"),
        (TopicPartitionState.consumed_to, "self._position = position"),
        (SubscriptionState, "reassignment_in_progress fetch_context is_assigned"),
        (Assignment, "tps active state_value"),
        (
            GroupCoordinator.__init__,
            "self._session_timeout_ms self._rejoin_needed_fut self.generation",
        ),
        (GroupCoordinator._heartbeat_routine, "await self._do_heartbeat()"),
        (
            GroupCoordinator._maybe_leave_group,
            "LeaveGroupRequest(self.group_id, self.member_id) self._send_req(request) "
            "self._group_instance_id is None",
        ),
        (GroupCoordinator.request_rejoin, "self._rejoin_needed_fut.set_result"),
        (GroupCoordinator.fetch_committed_offsets, "partitions"),
        (AIOKafkaConsumer, "self._fetcher self._coordinator self._subscription self._closed"),
        (
            driver.AIOKafkaConsumerThread,
            "_ensure_consumer _create_worker_consumer on_start call_thread _fetch_records "
            "consumer_group_instance_id table_standby_replicas",
        ),
        (
            driver.AIOKafkaConsumerThread.getmany,
            "self._fetch_records active_partitions max_records",
        ),
        (driver.Consumer, "_new_consumer_thread _thread RebalanceListener"),
        (
            driver.ConsumerRebalanceListener,
            "on_rebalance_start consumer_generation_id on_partitions_assigned",
        ),
        (
            Consumer,
            "_get_active_partitions _read_offset flow_active can_resume_flow on_buffer_full "
            "on_buffer_drop resume_partitions pause_partitions perform_seek "
            "verify_all_partitions_active",
        ),
        (Consumer._drain_messages, "getmany(timeout=1.0) callback(message) offset >= r_offset"),
        (faust.App._new_transport, "self.conf.broker_consumer"),
        (TableManager, "_update_channels self.recovery.start() await self.sleep(1.0)"),
    ],
)
def test_a_private_name_is_where_it_was(where: object, words: str):
    text = source(where)
    missing = [word for word in words.split(" ") if word not in text]
    assert not missing


def test_what_faust_calls_with_which_arguments():
    wanted = inspect.signature(driver.AIOKafkaConsumerThread._fetch_records)
    assert list(wanted.parameters) == [
        "self",
        "consumer",
        "active_partitions",
        "timeout",
        "max_records",
    ]
    assert list(inspect.signature(SpanConsumer.getmany).parameters) == ["self", "timeout"]
    assert fetcher_module.READ_COMMITTED == 1
