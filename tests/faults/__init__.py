"""The worker under faults: the rows of docs/faults.md. What crosses a wire is hurt on the wire; the judge is the reconciler, and a look."""
