"""Archives of photos by anybody: their members, and how they are extracted into the cache."""
