"""The page's style: light or dark, one column on narrow pages with the learners first."""

from __future__ import annotations

from typing import Final

from crl_envs.rendering.palette import BLUE, SKY, VERMILLION

CSS: Final = f"""
:root {{ --ex-line: #d0d0d0; --ex-soft: #595959; --ex-ink: #1c1c1c; --ex-page: #f5f6f7; --ex-card: #ffffff; }}
body.body--dark {{ --ex-line: #4a4a4a; --ex-soft: #b5b5b5; --ex-ink: #f0f0f0; --ex-page: #16181a; }}
body.body--dark {{ --ex-card: #202326; }}
body {{ background: var(--ex-page); }}
.nicegui-content {{ padding: 0; gap: 0; }}
.ex-header {{ display: flex; flex-wrap: wrap; align-items: center; gap: 2px 16px; width: 100%; }}
.ex-header {{ padding: 6px 16px; color: white; background: {BLUE}; }}
.ex-header h1 {{ font-size: 18px; line-height: 1.4; font-weight: 600; margin: 0; }}
.ex-header .ex-sub {{ font-size: 14px; }}
.ex-main {{ display: grid; grid-template-columns: 270px minmax(0, 1fr); gap: 10px; width: 100%; padding: 10px; }}
.ex-card {{ background: var(--ex-card); border: 1px solid var(--ex-line); border-radius: 6px; padding: 8px 10px; }}
.ex-card h2 {{ font-size: 14px; line-height: 1.4; font-weight: 600; margin: 0 0 4px; overflow-wrap: anywhere; }}
.ex-task {{ display: flex; flex-direction: column; gap: 6px; align-self: start; }}
.ex-choice {{ width: 100%; }}
.ex-choice .q-field {{ width: 100%; }}
.ex-slid {{ display: grid; grid-template-columns: 1fr 76px; column-gap: 12px; align-items: center; width: 100%; }}
.ex-slid > .ex-label {{ grid-column: 1 / 3; font-size: 13px; line-height: 1.2; }}
.ex-pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 12px; width: 100%; }}
.ex-work {{ display: flex; flex-direction: column; gap: 10px; min-width: 0; }}
.ex-bar {{ display: flex; flex-wrap: wrap; align-items: center; gap: 8px 10px; }}
.ex-speed {{ display: grid; grid-template-columns: 120px 140px; align-items: center; gap: 10px; font-size: 13px; }}
.ex-state {{ margin-left: auto; font-size: 13px; color: var(--ex-soft); }}
.ex-error {{ border-left: 6px solid {VERMILLION}; font-size: 14px; }}
.ex-twins {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 10px; }}
.ex-charts {{ display: grid; grid-template-columns: minmax(0, 1.4fr) minmax(0, 1fr); gap: 10px; }}
.ex-picture {{ width: 100%; display: block; background: white; border-radius: 4px; aspect-ratio: 3 / 2; }}
.ex-svg {{ width: 100%; display: block; max-height: 38vh; }}
.ex-svg text {{ text-anchor: middle; pointer-events: none; font-family: inherit; }}
.ex-agent {{ fill: transparent; }}
.ex-touched {{ fill: none; stroke: {VERMILLION}; stroke-width: 2px; stroke-dasharray: 4 3; }}
.ex-touchable .ex-agent {{ cursor: pointer; }}
.ex-touchable .ex-agent:hover {{ stroke: {VERMILLION}; stroke-width: 2px; }}
.ex-legend {{ display: flex; flex-wrap: wrap; gap: 0 14px; list-style: none; margin: 0; padding: 0; }}
.ex-legend {{ font-size: 12.5px; }}
.ex-legend li {{ display: flex; align-items: center; gap: 4px; color: var(--ex-soft); }}
.ex-scale {{ display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; font-size: 12.5px; }}
.ex-scale {{ color: var(--ex-soft); }}
.ex-bar-of-colours {{ width: 160px; height: 12px; border-radius: 2px; }}
.ex-note {{ font-size: 12.5px; line-height: 1.35; color: var(--ex-soft); margin: 0; }}
.ex-numbers + .ex-note, .ex-gap {{ margin-top: 8px; }}
.ex-old {{ opacity: 0.2; }}
.ex-numbers {{ width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
.ex-numbers :is(th, td) {{ text-align: right; padding: 2px 4px; font-weight: 400; }}
.ex-numbers :is(th, td) {{ border-bottom: 1px solid var(--ex-line); }}
.ex-numbers th[scope=row] {{ text-align: left; color: var(--ex-soft); }}
.ex-numbers th[scope=col] {{ font-weight: 600; overflow-wrap: anywhere; vertical-align: bottom; }}
.ex-key {{ display: inline-block; width: 28px; vertical-align: middle; margin-right: 6px; }}
.ex-numbers .ex-key {{ display: block; margin: 0 0 3px auto; }}
.ex-chart {{ width: 100%; height: 240px; }}
.ex-row {{ display: flex; flex-wrap: wrap; align-items: center; gap: 4px 12px; width: 100%; }}
.ex-tour {{ position: fixed; right: 16px; bottom: 16px; z-index: 3000; width: min(380px, calc(100vw - 32px)); }}
.ex-tour {{ border: 2px solid {VERMILLION}; box-shadow: 0 4px 16px rgba(0, 0, 0, 0.35); font-size: 14px; }}
.ex-pointed {{ outline: 3px solid {VERMILLION}; outline-offset: 2px; }}
:focus-visible {{ outline: 3px solid {VERMILLION}; outline-offset: 2px; }}
body.body--dark :is(.q-btn--outline, .q-btn--flat) {{ --q-primary: {SKY}; }}
@media (min-width: 1500px) and (min-height: 861px) {{ .ex-chart {{ height: 320px; }} }}
@media (max-width: 999px) {{ .ex-charts {{ grid-template-columns: minmax(0, 1fr); }} }}
@media (max-width: 799px) {{
  .ex-main {{ grid-template-columns: minmax(0, 1fr); padding: 6px; }}
  .ex-main > .ex-task {{ order: 2; }}
  .ex-svg {{ max-height: 40vh; }}
}}
"""
