"""What is kept, and the one way to it: a module per table over `gerbang.storage.store`."""
