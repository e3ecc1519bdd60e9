"""What the demo asks, and which documents answer it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and the keys of which one must be the best hit."""

    query: str
    answers: frozenset[str]


QUESTIONS = (
    Question("anonymous functions, lambda", frozenset({"lambda"})),
    Question("order of operators by precedence", frozenset({"operator-summary"})),
    Question(
        "parse command line options", frozenset({"argparse", "argparse.ArgumentParser", "getopt", "getopt.getopt", "optparse.OptionParser"})
    ),
    Question("random passwords and tokens", frozenset({"secrets", "secrets.token_urlsafe", "secrets.token_hex"})),
    Question("run a shell command, get its output", frozenset({"subprocess.getoutput", "subprocess.getstatusoutput"})),
)
