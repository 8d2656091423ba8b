"""ROUTE: any topic, any format in; events by shopper and products by id out. `stage.py` first."""
