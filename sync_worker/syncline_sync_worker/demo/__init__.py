"""The main job on real text, and what goes wrong with an index in life, found and repaired."""
