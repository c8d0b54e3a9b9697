"""Scores of trained models, and what the paper's tables are held against. Paper: Sec. 5, S4.2 to S4.4."""
