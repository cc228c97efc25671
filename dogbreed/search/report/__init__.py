"""The results of a search: terminal table, trials.csv, search.html and best.yaml."""
