"""The explorer: a local page on which to watch the worlds and their learners live.

- `worlds`: what can be chosen for each world, and what that means for the environment and the learner;
- `pace`, `lane`, `session`: learners that learn in threads, at a pace, and what there is to see of them. No module of
  these knows of a page;
- `page`, `chart`, `server`: the page (NiceGUI), which shows a `session` and does nothing else.
"""
