"""Architecture search: the Pareto front of a trained bundle's predictions and the costs."""
