"""The embedded baselines that every memory system must beat, and the stores that they share. One file each."""
