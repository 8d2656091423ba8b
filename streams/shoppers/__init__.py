"""SHOPPERS: what each shopper did. `stage.py` first; `windows.py` says what a pair is."""
