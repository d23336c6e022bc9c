"""The embedded AWS: a model of the services a cluster stack uses, for the demo, the tests and the rehearsals."""
