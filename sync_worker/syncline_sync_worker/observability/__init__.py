"""What an operator sees of a process: its log lines and its metrics."""
