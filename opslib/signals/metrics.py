"""What Prometheus reads: a text file for node_exporter's textfile collector. Text only; written by `files`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from opslib.signals.outcome import Ended, Memory, Source, utf8


@dataclass(frozen=True, slots=True)
class Metric:
    """One gauge: its name, what it means, and its value of a task or a source (None: it has none yet)."""

    name: str
    help: str
    task: Callable[[Ended], float | None] | None = None
    source: Callable[[Source], float | None] | None = None


METRICS = (
    Metric("opslib_task_last_run_timestamp_seconds", "When the task last ended.", lambda one: one.at),
    Metric("opslib_task_last_run_exit_code", "The exit code of that run; 0 is success.", lambda one: one.exit),
    Metric("opslib_task_last_run_duration_seconds", "How long that run took.", lambda one: one.seconds),
    Metric("opslib_task_last_success_timestamp_seconds", "When the task last ended with 0.", lambda one: one.success),
    Metric(
        "opslib_backup_last_success_timestamp_seconds", "When the newest set that holds the source was made.",
        source=lambda one: one.at,
    ),
    Metric("opslib_backup_size_bytes", "Length of the source in that set.", source=lambda one: one.bytes),
    Metric("opslib_backup_raw_size_bytes", "The same, uncompressed.", source=lambda one: one.raw_bytes),
    Metric(
        "opslib_backup_last_drill_timestamp_seconds", "When the source was last restored in a drill.",
        source=lambda one: one.drilled,
    ),
)  # fmt: skip


def render(memory: Memory, project: str, host: str) -> str:
    """The text for a host of a project."""
    base = {"host": host, "project": project}
    return "".join(line for metric in METRICS for line in _lines(metric, memory, base))


def _lines(metric: Metric, memory: Memory, base: Mapping[str, str]) -> Iterator[str]:
    samples: list[tuple[dict[str, str], float | None]] = []
    if metric.task is not None:
        samples += [({"task": name}, metric.task(one)) for name, one in sorted(memory.tasks.items())]
    if metric.source is not None:
        found = sorted(memory.sources.items())
        samples += [({"kind": one.kind, "source": one.name}, metric.source(one)) for _, one in found]
    lines = [f"{metric.name}{_labels({**base, **labels})} {value}\n" for labels, value in samples if value is not None]
    if lines:
        yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} gauge\n"
        yield from lines


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    """A label's value: any text, on one line."""
    return utf8(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
