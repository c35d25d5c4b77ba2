"""The Celery worker: makes the chunks of what was posted, and their vectors."""

import logging
from pathlib import Path
from typing import Any

import psycopg
from celery import Celery, bootsteps
from celery.signals import worker_ready

from app import searches, store, vectors

ALIVE = Path("/tmp/worker.alive")
log = logging.getLogger(__name__)

app = Celery("rag", broker=searches.BROKER)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # a job whose worker died is done again; make_chunks may be repeated
    task_reject_on_worker_lost=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,  # Redis gives them to somebody anew
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_connect_timeout": 3, "visibility_timeout": 600},
    task_publish_retry_policy={"max_retries": 1},
)


class Heartbeat(bootsteps.StartStopStep):
    """Touches a file from the consumer's own loop, so it goes stale when that hangs or has lost Redis."""

    requires = {"celery.worker.consumer:Tasks"}
    timer = None  # stop() may come without start()

    def start(self, consumer: Any) -> None:
        ALIVE.touch()
        self.timer = consumer.timer.call_repeatedly(5, ALIVE.touch)

    def stop(self, consumer: Any) -> None:
        if self.timer:
            self.timer.cancel()


app.steps["consumer"].add(Heartbeat)


@app.task(
    autoretry_for=(psycopg.OperationalError, vectors.VectorsError),
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=None,
)
def make_chunks(document: int) -> None:
    """Make the chunks of one document; while PostgreSQL or Qdrant is away, try again later."""
    log.info("document %d: %d chunks", document, store.make_chunks(document))


@worker_ready.connect
def take_up_what_was_left(**_: Any) -> None:
    """Queue the documents that lack chunks or vectors, as after a restore of one part that is older than another."""
    try:
        left = store.left_over()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable, vectors.VectorsError) as error:
        log.warning("cannot look for what was left over: %s", type(error).__name__)
        return
    for document in left:
        make_chunks.delay(document)
