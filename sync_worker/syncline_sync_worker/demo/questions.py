"""What the demo asks, and which documents answer it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and the keys of which one must be the best hit."""

    query: str
    answers: frozenset[str]


QUESTIONS = (
    Question("anonymous functions, lambda expressions", frozenset({"lambda"})),
    Question("how are operators ordered by precedence?", frozenset({"operator-summary"})),
    Question("a temporary directory that is removed afterwards", frozenset({"tempfile.TemporaryDirectory"})),
    Question("random numbers for passwords and tokens", frozenset({"secrets", "secrets.token_urlsafe", "secrets.token_hex"})),
    Question("parse command line options and arguments", frozenset({"argparse", "argparse.ArgumentParser", "optparse.OptionParser"})),
)
