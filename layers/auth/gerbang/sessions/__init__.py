"""Sessions: refresh-token families, tokens, the keys that sign them and their rotation."""
