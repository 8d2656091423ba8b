"""PRODUCTS: what each product is, and what was asked when it was bought. `stage.py` first."""
