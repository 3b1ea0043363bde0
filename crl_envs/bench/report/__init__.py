"""The report of a sweep: a page for people, and files for machines; and that of a reproduction.

- `crl_envs.bench.report.write`: all files of a report, into the sweep's folder: with a row for each evaluation, as CSV
  and Parquet.
- `crl_envs.bench.report.content`: what the report says, section by section, for the page and for Markdown alike.
- `crl_envs.bench.report.pictures`: what it shows, and what the pictures of papers share with it.
- `crl_envs.bench.report.figures`: the report of a reproduction.
"""
