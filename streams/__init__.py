"""From shopper events to the graph: ROUTE, SHOPPERS, QUERIES, PRODUCTS, GRAPH, SERVE."""
