"""The suite as a pytest plugin: options, collection, fixtures, resuming, scheduling, the terminal."""
