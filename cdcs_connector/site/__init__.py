"""The CDCS web site: a Django project on CDCS core that shows records, and runs without broker, Mongo or internet."""
