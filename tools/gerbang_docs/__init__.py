"""`make docs`: writes the documents that are made from the code and the template.

operations, fields,
samples, examples, schemas   each operation: fields, examples and schemas, from the declarations
openapi, links               functions/docs/openapi.json
explorer_page, explorer/     the page at /docs
reference                    docs/api/, in four languages
readme                       the tables of README.md
texts                        the translations
"""
