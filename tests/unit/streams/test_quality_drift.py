"""Drift is read from the workers of this machine, wherever they serve their metrics."""

import os
from pathlib import Path

import pytest

from streams.cli import quality
from streams.monitoring import page as metrics_page
from streams.process import status
from streams.settings import Settings

_SAMPLE = b'cartograph_model_score_drift{task="tagging",bundle="tagging@1"} 0.25\n'


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
def test_drift_is_asked_for_where_the_workers_listen(tmp_path: Path, host: str):
    def metrics(_, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"# TYPE cartograph_model_score_drift gauge\n", _SAMPLE]

    port = metrics_page.serve(metrics_page.page(metrics, None), host=host, port=0)
    settings = Settings(data_dir=tmp_path, metrics_host=host)
    told = status.Status(stage="products", slot=1, pid=os.getpid(), metrics_port=port)
    status.write(status.status_file(settings, "products", 1), told)

    (found,) = quality._drifts(settings)

    assert found == quality.Drift("products-1", "tagging", "tagging@1", 0.25)
