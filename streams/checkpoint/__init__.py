"""Checkpoints: what partitions keep, copied to where no single machine can lose it.

`manifest.py` says what a checkpoint is and `retention.py` which may go (both pure); `place.py` is
the folder or bucket, `copying.py` moves a store to it and back. `keeper.py` makes them in a worker,
`recovery.py` fetches one for a partition that comes to a worker without its state, `travel.py`
opens one to be read.
"""
