"""Storage: one module per table, all of them on `gerbang.storage.store`; and the clients of other AWS services."""
