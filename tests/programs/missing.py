"""Features that Tenure lacks; the SDK programs that need one of them are skipped, except on the reference server."""

MISSING: set[str] = set()
