"""Relay and worker as processes: what each is built of, how it waits for its parts, and how it answers for its health.

`relay` and `worker` are the composition roots; both need the extra ``kafka``.
"""
