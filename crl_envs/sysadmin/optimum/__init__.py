"""The best policies of SYSADMIN: exact values, bounds, and the table of those that come with the package."""
