"""What is chosen: a preset, the world, who learns, and the world's arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import run, ui

from crl_envs.explorer.choices import Choice, Value
from crl_envs.explorer.presets import PRESETS, Preset
from crl_envs.explorer.suitable import suitable_learners
from crl_envs.explorer.widgets import card, select
from crl_envs.explorer.worlds import NOBODY, WORLDS, Task, default_task, shown_choices


class Panel:
    """The widgets of a task.

    Args:
        changed: Called with the task whenever something else is chosen.
        preset: Called when one is.
    """

    def __init__(self, changed: Callable[[Task], None], preset: Callable[[Preset], None]) -> None:
        self._changed = changed
        self._preset = preset
        self.task = default_task("sysadmin")
        with card("Task").classes("ex-task"):
            titles = [each.title for each in PRESETS]
            chosen = select(titles, "Try", None, self._try).mark("presets")
            chosen.props("clearable").classes("ex-choice")
            self._about = ui.label("").classes("ex-note")
            self._box = ui.element("div").classes("ex-task ex-choice")

    async def show(self, task: Task) -> None:
        """Build the widgets of a task; the list of learners grows when those that suit are found."""
        self.task = task
        self._box.clear()
        with self._box:
            world = WORLDS[task.world]
            worlds = {key: each.title for key, each in WORLDS.items()}
            select(worlds, "World", task.world, lambda e: self._change_world(e.value))
            ui.label(world.about).classes("ex-note")
            learner = select(
                [task.learner], "Learner", task.learner, lambda e: self._learners(learner=e.value)
            )
            rival = select(
                list(dict.fromkeys((NOBODY, task.rival))),
                "Compared with",
                task.rival,
                lambda e: self._learners(rival=e.value),
            )
            self._choices = ui.element("div").classes("ex-task ex-choice")
            self._build_choices()
            with ui.element("div").classes("ex-pair"):
                for name, title, help in (
                    ("seed", "Seed", "The same seed gives the same run."),
                    ("episodes", "Episodes", "After so many the learners rest; Run goes on."),
                ):
                    field = ui.number(title, value=getattr(task, name), min=0, precision=0)
                    field.props(f"dense outlined data-testid={name}").tooltip(help)
                    field.on_value_change(lambda e, name=name: self._set(name, e.value))
        names = await run.io_bound(suitable_learners, task.world)
        if names is not None and task.world == self.task.world and not learner.is_deleted:
            learner.set_options(list(dict.fromkeys((*names, task.learner))))
            rival.set_options(list(dict.fromkeys((NOBODY, *names, task.rival))))

    def _try(self, event: Any) -> None:
        preset = next((each for each in PRESETS if each.title == event.value), None)
        self._about.set_text(preset.about if preset else "")
        if preset is not None:
            self._preset(preset)

    def _build_choices(self) -> None:
        """What the present learners leave to choose."""
        self._choices.clear()
        with self._choices:
            for choice in shown_choices(WORLDS[self.task.world], self.task.names):
                self._build_choice(choice)

    def _build_choice(self, choice: Choice) -> None:
        value = self.task.value(choice.name)
        change = partial(self._set_value, choice.name)
        if choice.kind == "select":
            value = value if value in choice.options else choice.default
            options = list(choice.options)
            select(options, choice.label, value, lambda e: change(e.value)).tooltip(choice.help)
            return
        if not isinstance(
            value, int | float
        ):  # from an address; the environment says what is wrong
            value = choice.default
        with ui.element("div").classes("ex-slid").tooltip(choice.help):
            ui.label(choice.label).classes("ex-label")
            low, high, step = choice.slider
            slider = ui.slider(min=low, max=high, step=step, value=value)
            slider.props(f'aria-label="{choice.label}" data-testid="{choice.name}-slider"')
            field = ui.number(value=value, step=step)
            field.props(
                f'dense outlined aria-label="{choice.label}, exactly" data-testid="{choice.name}"'
            )

            def typed(event: Any) -> None:
                change(event.value)
                if event.value is not None and low <= event.value <= high:
                    slider.set_value(event.value)

            field.on_value_change(typed)
            slider.on_value_change(lambda e: field.set_value(round(e.value, 6)))

    def _set(self, name: str, value: Any) -> None:
        """Set the seed or the number of episodes."""
        whole = isinstance(value, float) and value.is_integer()
        changed: dict[str, Any] = {name: int(value) if whole else value}
        self._change(replace(self.task, **changed))

    def _set_value(self, name: str, value: Value) -> None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        self._change(replace(self.task, values={**self.task.values, name: value}))

    async def _change_world(self, key: str) -> None:
        self._change(default_task(key))
        await self.show(self.task)

    def _learners(self, **names: str) -> None:
        before = shown_choices(WORLDS[self.task.world], self.task.names)
        self._change(replace(self.task, **names))  # type: ignore[arg-type]
        if shown_choices(WORLDS[self.task.world], self.task.names) != before:
            self._build_choices()

    def _change(self, task: Task) -> None:
        if task != self.task:
            self.task = task
            self._changed(task)
