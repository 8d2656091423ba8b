"""What the graph means and how it is kept: node ids, facts, the ontology, the stores."""
