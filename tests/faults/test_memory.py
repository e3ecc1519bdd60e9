"""Memory stays where it is, however many events are handled."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHES_MB = 24.0
"""Between a tenth of the way and the end: SQLite's page caches fill (16 MB for its writer, 4 MB for a reader), then nothing grows."""
FLAT_MB = 4.0
"""Over the last three tenths."""


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux's /proc")
def test_memory_is_flat(*, qdrant_url: str, soak: bool, figure: Callable[[str], None]) -> None:
    events = 200_000 if soak else 20_000
    command = [sys.executable, "-m", "tests.faults.memory", str(events), qdrant_url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    looks = json.loads(done.stdout.splitlines()[-1])
    figure(f"memory over {events:,} events, each tenth: {', '.join(f'{look:.0f}' for look in looks)} MB")
    assert looks[-1] - looks[0] < CACHES_MB
    assert max(looks[-3:]) - min(looks[-3:]) < FLAT_MB
