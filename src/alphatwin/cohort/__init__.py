"""Virtual patients and animals: populations drawn from the models, on threads or on a Dask cluster."""
