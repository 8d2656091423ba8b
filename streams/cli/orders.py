"""What every order to the workers needs before it is sent."""

from streams.broker import admin
from streams.control.claims import TOPIC
from streams.errors import TopicError
from streams.kafka import connection
from streams.settings import Settings


async def can_be_heard(found: Settings) -> None:
    """Make sure that the topic of control is there: a producer would look for it for ever.

    Args:
        found: of the graph that is ordered, with Kafka's address.

    Raises:
        BrokerError: no broker answers.
        TopicError: there is no such graph.
    """
    name = found.topic(TOPIC)
    if not await admin.describe(found.kafka, [name], options=connection.options(found)):
        raise TopicError(
            f"{name} does not exist: `cartograph topics apply`, or correct CARTOGRAPH_PREFIX"
        )
