"""Relay, handler, reconciler and the command line."""
