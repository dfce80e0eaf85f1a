"""`make docs`: the documents that are made from the code and the template."""
