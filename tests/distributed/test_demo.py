"""`make demo STACK=real`: on servers, with relay and worker as processes, it comes to the same as in a folder."""

import json
from pathlib import Path

import pytest

from tests.parts.stack import Servers
from tests.stack import demo


@pytest.mark.timeout(600)
def test_it_finds_what_it_broke_and_leaves_nothing_on_servers_too(tmp_path: Path, servers: Servers) -> None:
    with (tmp_path / "out").open("w") as out:
        code = demo(tmp_path, servers, ["--json"], out=out)
    told = (tmp_path / "out").read_text()
    assert code == 0, told
    found = json.loads(told)
    assert found["documents"] == found["indexed"] > 500
    assert (found["exact"], found["drift_left"], found["passed"]) == (True, 0, True)
    assert found["drift_injected"] == found["drift_found"] >= 25
