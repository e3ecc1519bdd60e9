"""The search for cycles is rare while a walk is under way, and as before behind it."""

import gc

import pytest

from syncline_sync_worker.reconcile.collecting import RARE, rare_collections


@pytest.mark.parametrize(("before", "within"), [(700, RARE), (2 * RARE, 2 * RARE), (0, 0)])
def test_it_is_as_before_behind_it(before: int, within: int) -> None:
    first, *others = gc.get_threshold()
    gc.set_threshold(before, *others)
    try:
        with rare_collections():
            assert gc.get_threshold() == (within, *others)
        assert gc.get_threshold() == (before, *others)
    finally:
        gc.set_threshold(first, *others)
