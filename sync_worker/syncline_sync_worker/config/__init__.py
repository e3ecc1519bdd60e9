"""How a process is configured: defaults < YAML file < environment < command line."""

from syncline_sync_worker.config.configuration import Configuration, HttpSettings, LogSettings
from syncline_sync_worker.config.load import load, origins

__all__ = ["Configuration", "HttpSettings", "LogSettings", "load", "origins"]
