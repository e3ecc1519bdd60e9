"""The command line: a module a command group. Nothing heavy is imported before a command runs."""
