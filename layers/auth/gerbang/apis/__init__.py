"""The APIs of the products: request models, answers and errors, one package for each. `errors` has what they share."""
