"""Settings that hold for all tests."""

from hypothesis import settings

# Derandomised: the same examples in every run, so that a failure is a change and not a draw.
settings.register_profile("crl", deadline=None, derandomize=True, database=None)
settings.load_profile("crl")
