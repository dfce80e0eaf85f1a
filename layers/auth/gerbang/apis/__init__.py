"""What each product's clients read: request models and envelopes, one module a product. `refusals` words all errors."""
