"""`make build` and `make deploy`: SAM CLI, so that what is deployed was built for the processors it is deployed on."""
