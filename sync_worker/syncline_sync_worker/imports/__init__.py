"""Reads files as documents: .md, .txt, .rst, .html a file each, .jsonl a line each. Bounded memory; one bad file stops no other."""

from syncline_sync_worker.imports.item import Item, Problem
from syncline_sync_worker.imports.read import SUFFIXES, Reading, read

__all__ = ["SUFFIXES", "Item", "Problem", "Reading", "read"]
