"""A stand-in for a Qdrant server: its REST paths, as a process, over Qdrant's own engine (qdrant-edge), with faults on demand.

Filters, guards, vectors and payloads are evaluated by the engine itself; here are the paths, the collections and aliases, and the
order of things: each operation is atomic, operations of one batch are applied one after another, those of two batches may mix.
What the engine cannot do, or nobody asked for, is refused with 400, never ignored. It keeps no replicas and one shard, answers
after an operation is applied whatever `wait` says, and its log survives the death of the process, not of the machine.
"""
