"""The gateway's families; see the package for the habits they follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from asw_gateway.metrics.family import Family, M
from asw_gateway.metrics.labels import LABELS, OPEN_SETS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_VALUES = 300
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG_SECONDS = (0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400, 604800, 1209600)


class Metrics:
    """
    All families as attributes; nothing is global.

    >>> metrics = Metrics(CollectorRegistry())
    >>> metrics.zero(["th"], message_types=["atiga-form-d/certificate"])
    >>> metrics.delivery_attempts.labels(partner="th", outcome="receipt").inc()
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus_client.disable_created_metrics()
        self.registry = registry
        self._values: dict[str, dict[str, None]] = {
            name: dict.fromkeys(values) for name, values in LABELS.items()
        }
        for name in ("partner", "message_type", *OPEN_SETS):
            self._values[name] = {}
        self._zeroed: list[Family[Counter] | Family[Gauge] | Family[Histogram]] = []

        # our side
        self.submissions = self._counter(
            "submissions",
            "National messages by our answer.",
            message_type="message_type",
            outcome="submission",
        )
        self.feed_unacknowledged = self._gauge(
            "feed_entries_unacknowledged", "Feed entries not yet confirmed."
        )
        self.feed_last_sequence = self._gauge(
            "feed_last_sequence", "Sequence number of the newest feed entry."
        )
        self.feed_oldest = self._gauge(
            "feed_oldest_unacknowledged_timestamp_seconds",
            "When the oldest unconfirmed feed entry was written; 0 if none.",
        )
        self.acknowledgements = self._counter(
            "feed_acknowledgements", "Confirmed feed entries by result.", result="acknowledgement"
        )
        # their side
        self.messages_received = self._counter(
            "messages_received",
            "Partner messages by what became of them.",
            partner="partner",
            message_type="message_type",
            outcome="received",
        )
        self.message_refusals = self._counter(
            "message_refusals", "Refused partner messages by reason.", partner="partner", reason="refusal"
        )
        self.altered_duplicates = self._counter(
            "altered_duplicates", "Security: a known message id with other content.", partner="partner"
        )
        self.duplicates = self._counter(
            "duplicates", "Repeated messages answered with the stored receipt.", partner="partner"
        )
        self.delivery_attempts = self._counter(
            "delivery_attempts", "Delivery attempts by outcome.", partner="partner", outcome="attempt"
        )
        self.deliveries = self._counter(
            "deliveries", "Messages that reached a final state.", partner="partner", outcome="delivery"
        )
        self.attempt_duration = self._histogram(
            "attempt_duration_seconds", "One delivery attempt.", _SECONDS, partner="partner"
        )
        self.delivery_duration = self._histogram(
            "delivery_duration_seconds", "From queued to receipt.", _LONG_SECONDS, partner="partner"
        )
        self.channel_state = self._gauge(
            "channel_state",
            "1 for the state a partner's channel is in.",
            partner="partner",
            state="channel_state",
        )
        self.partner_failures = self._gauge(
            "partner_consecutive_failures", "Failed contacts since the last good one.", partner="partner"
        )
        self.partner_next_contact = self._gauge(
            "partner_next_contact_timestamp_seconds",
            "When back-off ends; 0 without back-off.",
            partner="partner",
        )
        self.partner_last_success = self._gauge(
            "partner_last_success_timestamp_seconds",
            "Last good contact.",
            partner="partner",
            direction="direction",
        )
        self.reseals = self._counter(
            "reseals", "Queued messages signed again with a newer certificate.", partner="partner"
        )
        # what waits
        self.outbox_messages = self._gauge(
            "outbox_messages", "Outbound messages by state.", partner="partner", state="outbound_state"
        )
        self.outbox_oldest = self._gauge(
            "outbox_oldest_message_timestamp_seconds",
            "When the oldest due message was queued; 0 if none.",
            partner="partner",
        )
        self.inbox_messages = self._gauge(
            "inbox_messages", "Inbound messages by state.", partner="partner", state="inbound_state"
        )
        # conversion
        self.conversion_duration = self._histogram(
            "conversion_duration_seconds",
            "One document in a worker.",
            _SECONDS,
            message_type="message_type",
            direction="direction",
        )
        self.conversion_problems = self._counter(
            "conversion_problems",
            "Problems found in documents.",
            zero=False,
            message_type="message_type",
            rule="rule",
        )
        self.worker_backlog = self._gauge("worker_jobs", "Jobs handed to workers and not finished.")
        # the store
        self.transaction_duration = self._histogram(
            "database_transaction_duration_seconds", "Begin to commit.", _SECONDS
        )
        self.group_commit_units = self._histogram(
            "database_group_commit_units", "Units that shared a commit.", (1, 2, 4, 8, 16, 32, 64, 128)
        )
        self.group_commit_replays = self._counter(
            "database_group_commit_replays", "Groups rolled back and run again one unit at a time."
        )
        self.database_backlog = self._gauge("database_queued_units", "Units waiting for the database thread.")
        self.leases_rescued = self._counter("leases_rescued", "Claims taken over from a stopped node.")
        self.journal_entries = self._counter("journal_entries", "Entries added to the evidence chain.")
        self.job_runs = self._counter("scheduled_job_runs", "Runs of scheduled jobs.", zero=False, job="job")
        self.job_failures = self._counter(
            "scheduled_job_failures", "Failed runs of scheduled jobs.", zero=False, job="job"
        )
        # the daemon
        self.handshake_failures = self._counter(
            "tls_handshake_failures",
            "TLS connections that ended in the handshake.",
            listener="listener",
            reason="handshake",
        )
        self.slow_requests = self._counter(
            "slow_requests",
            "Connections cut because a request did not come in time.",
            listener="listener",
            part="request_part",
        )
        self.certificate_not_after = self._gauge(
            "certificate_not_after_timestamp_seconds",
            "End of validity of a certificate in use.",
            zero=False,
            party="party",
            use="use",
        )
        self.overdue = self._gauge(
            "overdue_documents",
            "Documents and requests whose answer is overdue by the agreement's clocks.",
            zero=False,
            rule="rule",
        )
        self.revocation_failures = self._counter(
            "revocation_failures",
            "Revocation lists and OCSP answers that could not be had or proved nothing.",
            partner="partner",
            source="revocation",
        )
        self.revocation_checked_at = self._gauge(
            "revocation_last_check_timestamp_seconds",
            "When partners' certificates were last asked after; 0 if never.",
        )
        self.reactor_lag = self._histogram(
            "reactor_lag_seconds", "How late the reactor runs a timed call.", _SECONDS
        )
        self.internal_errors = self._counter(
            "internal_errors", "Exceptions that reached the edge of a room.", zero=False, where="where"
        )
        self.check_ok = self._gauge(
            "readiness_check", "1 while a readiness check passes.", zero=False, check="check"
        )
        self.config_successful = self._gauge(
            "config_last_load_successful", "1 if the last load had no errors."
        )
        self.config_loaded_at = self._gauge(
            "config_last_load_timestamp_seconds", "When configuration was last loaded."
        )
        self.build_info = Gauge("asw_build_info", "1, with our version.", ["version"], registry=registry)

    def zero(self, partners: Iterable[str], *, message_types: Iterable[str] = (), version: str = "") -> None:
        """
        Admit these partner and message type names as labels and show every known series, at zero.

        Called at start and after each reload; counts of partners that stay are kept.
        """
        self._admit("partner", partners)
        self._admit("message_type", message_types)
        for family in self._zeroed:
            family.zero()
        if version:
            self.build_info.labels(version=version).set(1)

    def admit(self, label: str, values: Iterable[str]) -> None:
        """
        Admit values of an open set: `rule`, `party`, `check`, `job` or `where`.

        These come from our own code, profiles and configuration; beyond 300 they count as `other`.
        """
        if label not in OPEN_SETS:
            raise LookupError(label)
        self._admit(label, values)

    def render(self) -> bytes:
        """The exposition text, `CONTENT_TYPE`."""
        return prometheus_client.generate_latest(self.registry)

    def _admit(self, label: str, values: Iterable[str]) -> None:
        known = self._values[label]
        for value in values:
            if len(known) < MAX_VALUES:
                known[value] = None

    def _counter(self, name: str, text: str, *, zero: bool = True, **sets: str) -> Family[Counter]:
        return self._family(
            Counter(f"asw_{name}_total", text, list(sets), registry=self.registry), zero, sets
        )

    def _gauge(self, name: str, text: str, *, zero: bool = True, **sets: str) -> Family[Gauge]:
        return self._family(Gauge(f"asw_{name}", text, list(sets), registry=self.registry), zero, sets)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], **sets: str) -> Family[Histogram]:
        metric = Histogram(f"asw_{name}", text, list(sets), buckets=tuple(buckets), registry=self.registry)
        return self._family(metric, True, sets)

    def _family(self, metric: M, zero: bool, sets: dict[str, str]) -> Family[M]:
        family = Family(metric, sets, self._values)
        if zero and sets:
            self._zeroed.append(family)  # type: ignore[arg-type]
        return family

    def families(self) -> Iterator[str]:
        """The names of all families, for the catalogue test and the manual."""
        return (family.name for family in self.registry.collect())
