"""What a search leaves: its table, its page and best.yaml."""
