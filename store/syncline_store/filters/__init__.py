"""The filter language: parsed once, then matched against values or turned into a Qdrant filter."""

from syncline_store.filters.conditions import Condition
from syncline_store.filters.declared import undeclared
from syncline_store.filters.fields import filterable
from syncline_store.filters.match import match
from syncline_store.filters.parse import parse

__all__ = ["Condition", "filterable", "match", "parse", "undeclared"]
