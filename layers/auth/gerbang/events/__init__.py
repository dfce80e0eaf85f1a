"""Events for other services, made from the streams of the tables."""
