"""Text models: strings in, spans and scores out. Knows neither streams nor the graph."""
