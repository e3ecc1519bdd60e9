"""docs/tracing.md against the code: the spans, their attributes, and what requests are called, both ways."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "tracing.md").read_text()
CODE = "\n".join(path.read_text() for folder in ("store", "sync_worker") for path in (ROOT / folder).rglob("*.py"))
ROW = re.compile(r"^\| `(syncline\.\w+)` \| ([^|]*) \|", re.MULTILINE)
CALL = re.compile(
    r'\b(?P<call>span|batch_span|_span|_write)\("(?P<name>syncline\.\w+)"(?P<rest>[^\n]*)\):?\n|_writing\.write(?:_if)?\("(?P<write>syncline\.\w+)"'
)
REQUEST = re.compile(
    r'\), "(points|upsert|refresh|remove)"\)|^ +"(points|upsert|refresh|remove)",$|call\(ask, "(\w+)"\)|what: str = "(\w+)"', re.MULTILINE
)


def attributes(call: str, rest: str) -> set[str]:
    given = {f"syncline.{name}" for name in re.findall(r"(\w+)=", rest)}
    return given | {"batch_span": {"syncline.events"}, "_span": {"syncline.tenant"}}.get(call, set())


def test_every_span_is_documented_with_its_attributes_and_no_other() -> None:
    documented = {name: set(re.findall(r"`(syncline\.\w+)`", given)) for name, given in ROW.findall(PAGE)}
    made = {found["name"]: attributes(found["call"], found["rest"]) for found in CALL.finditer(CODE) if found["name"]}
    made |= {found["write"]: {"syncline.tenant"} for found in CALL.finditer(CODE) if found["write"]}
    assert documented == made


def test_every_request_is_documented() -> None:
    sentence = re.search(r"`syncline\.request` is (.*?)\. What", PAGE, re.DOTALL)
    assert sentence is not None
    made = {name for found in REQUEST.findall(CODE) for name in found if name}
    assert set(re.findall(r"`(\w+)`", sentence[1])) == made
