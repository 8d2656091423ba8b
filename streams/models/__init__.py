"""The models of a worker: asked off the event loop, each question once."""
