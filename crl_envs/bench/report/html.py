"""The report as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import base64
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from crl_envs.bench.report.content import RUN_COLUMNS, UNFINISHED_COLUMNS, Content


def as_html(content: Content) -> str:
    """The page. Whatever learners, tracebacks and arguments hold is shown as text."""
    folder = files("crl_envs.bench.report") / "templates"
    names = ("report.html", "tables.html", "report.css")
    loader = DictLoader({name: (folder / name).read_text(encoding="utf-8") for name in names})
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["shade"] = _shade
    swatches = {name: Markup(style.swatch) for name, style in content.styles.items()}
    template = environment.get_template("report.html")
    return template.render(
        page=content,
        swatches=swatches,
        run_columns=RUN_COLUMNS,
        unfinished_columns=UNFINISHED_COLUMNS,
    )


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _shade(probability: float) -> str:
    """A background for a probability: blue above ½, vermillion below, the stronger the farther."""
    red, green, blue = (0, 114, 178) if probability >= 0.5 else (213, 94, 0)
    return f"rgb({red} {green} {blue} / {abs(probability - 0.5) * 0.9:.2f})"
