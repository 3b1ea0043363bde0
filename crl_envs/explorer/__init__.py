"""The explorer: a local page on which to watch the worlds and their learners live.

- `choices`, `games`, `spreading`, `queueing`, `worlds`: what can be chosen for each world, and the environments and
  learners that follow from it; `suitable`: which learners; `touches`: what a hand can do to an agent;
- `pace`, `lane`, `session`: learners that learn in threads, at a pace, and what there is to see of them: `curve`,
  `shades` (policy, value and credit of each agent), `drawing` (as SVG), `samples` (episodes needed, against n);
- `address`, `presets`, `visits`: what the page's address says, experiments to begin with, sessions that outlive a
  page. No module so far knows of a page;
- `page` and its parts `panel`, `controls`, `pictures`, `charts`, `tour`, with `widgets`, `style` and `chart`: the page
  (NiceGUI), which shows a `session` and does nothing else; `server` serves it.
"""
