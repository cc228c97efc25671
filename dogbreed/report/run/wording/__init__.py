"""The wording of a run's pages: sentences, what rules found, labels of steps."""
