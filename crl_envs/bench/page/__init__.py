"""The report of a sweep: a page for people, and files for machines.

- `crl_envs.bench.page.write`: all files of a report, into the sweep's folder.
- `crl_envs.bench.page.content`: what the report says, section by section, for the page and for Markdown alike.
- `crl_envs.bench.page.pictures`: what it shows.
- `crl_envs.bench.page.data`: a row for each evaluation, as CSV and Parquet.
"""

from crl_envs.bench.page.write import write_report

__all__ = ["write_report"]
