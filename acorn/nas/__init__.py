"""Architecture search: what to optimise, which candidates to evaluate, and the Pareto front.

The command line and the server evaluate candidates each in their own way. What a search is, they
share: objectives and constraints (``objectives``), the candidates of a space (``candidates``), and
the next generation of an evolution, given all that was evaluated (``nsga2``).
"""
