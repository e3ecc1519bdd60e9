"""What `syncline doctor` looks at: every part of a configuration, each by itself, and what to do about what is wrong."""

from syncline_sync_worker.doctor.examine import Examined, examine
from syncline_sync_worker.doctor.finding import Finding, Level

__all__ = ["Examined", "Finding", "Level", "examine"]
