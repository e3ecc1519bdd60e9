"""Dead letters in an operator's hands: list, show, replay, discard."""
