"""The filter language: parsed once, then matched against values or turned into a Qdrant filter."""
