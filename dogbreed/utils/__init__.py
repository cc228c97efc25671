"""Small helpers that know nothing of photos or models: files, text, progress, the machine."""
