"""The dashboards as Python; `python -m deploy.grafana.make` writes the JSON that Grafana reads."""
