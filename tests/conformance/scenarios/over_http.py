"""Scenarios of other files once more, with their calls over HTTP: what comes back is what gRPC brings."""

from ..registry import over_http

for module in ("services", "signals", "reading", "schedule_patches"):
    over_http(module)
