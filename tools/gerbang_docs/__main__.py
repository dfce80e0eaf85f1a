"""`python -m gerbang_docs`, which `make docs` calls: writes the tables of README.md."""

from gerbang_docs.readme import README, with_tables


def main() -> None:
    """Write the tables into README.md, and print what changed."""
    before = README.read_text("utf-8")
    after = with_tables(before)
    README.write_text(after, "utf-8")
    print("README.md is up to date." if after == before else "README.md has new tables.")


if __name__ == "__main__":
    main()
