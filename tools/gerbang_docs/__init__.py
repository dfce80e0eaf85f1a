"""`make docs`: the tables of README.md, written from the code and the template."""
