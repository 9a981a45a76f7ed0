"""Open-source memory engines that run in this process. One file each, and one for its store."""
