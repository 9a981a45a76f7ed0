"""BEAM: long chats of a user with an assistant, graded by rubrics (`docs/beam.md`)."""
