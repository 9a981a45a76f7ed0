"""How any service is called: attempts, rate limits, HTTP and what its refusals mean, once for all rooms."""

from net.address import check_address
from net.attempts import Caller, CallRecord
from net.failures import (
    MODEL_TRANSIENT_STATUSES,
    excerpt,
    failure,
    redact,
    refused_in_body,
    request_errors,
    response_text,
)
from net.foreign import Border
from net.http import open_client, open_httpx2_client, open_sdk_client
from net.ledger import Ledger, calls_in_flight, settle_calls, suspect_calls_of
from net.limits import ALL, Booked, Demand, Division, Limiter, OverPlaces, RunLimits
from net.outages import Outage, paused_services
from net.rest import Query, R, Reply, Service
from net.services import CallLimits, Services

__all__ = [
    "ALL",
    "MODEL_TRANSIENT_STATUSES",
    "Booked",
    "Border",
    "CallLimits",
    "CallRecord",
    "Caller",
    "Demand",
    "Division",
    "Ledger",
    "Limiter",
    "Outage",
    "OverPlaces",
    "Query",
    "R",
    "Reply",
    "RunLimits",
    "Service",
    "Services",
    "calls_in_flight",
    "check_address",
    "excerpt",
    "failure",
    "open_client",
    "open_httpx2_client",
    "open_sdk_client",
    "paused_services",
    "redact",
    "refused_in_body",
    "request_errors",
    "response_text",
    "settle_calls",
    "suspect_calls_of",
]
