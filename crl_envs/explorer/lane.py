"""One learner on an environment of its own, and what there is to see of it: its curve, its picture, its numbers."""

from __future__ import annotations

import base64
import io
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crl_envs.bench.contract import Traits
from crl_envs.core.returns import Returns, in_order, team_reward
from crl_envs.explorer import shades
from crl_envs.explorer.curve import WINDOW, Curve
from crl_envs.explorer.drawing import MOST_DRAWN, Drawing
from crl_envs.explorer.shades import Scale, Shade, Viewing
from crl_envs.explorer.touches import Touch
from crl_envs.explorer.worlds import WORLDS, Task
from crl_envs.rendering.picture import Picture

_ENDLESS: Final = 10**12  # episodes
_BETWEEN: Final = 0.1  # seconds between two pictures, at least
_STRIDE: Final = 20  # steps between two points of an episode's progress
_SHARE: Final = 3.0  # as many times what drawing takes is left for learning
_DRAWING: Final = Lock()  # one picture at a time, whoever asks: drawing libraries share caches

Scales = Mapping[str, Scale]


@dataclass(frozen=True)
class Sight:
    """Describe a learner at one moment.

    Attributes:
        episodes: Whole episodes learnt from.
        step: Of the running episode, or the length of the one that has ended.
        env_steps: Environment steps in all.
        last_return: Of the last whole episode, mean over agents; None before the first.
        mean_return: Mean of the last episodes' (see `WINDOW`).
        metrics: The numbers among the environment's ``metrics()``.
        picture: HTML; None where nobody looks, or before there is one.
        status: What the world says of its state, in a line.
        missing: Why the quantity that the colours are to show isn't known; empty where it is.
        touched: How often somebody has changed the world by hand.
    """

    episodes: int = 0
    step: int = 0
    env_steps: int = 0
    last_return: float | None = None
    mean_return: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    picture: str | None = None
    status: str = ""
    missing: str = ""
    touched: int = 0


@dataclass
class Watch:
    """How somebody looks at lanes; who looks changes it, lanes read it.

    Attributes:
        viewing: What the pictures show.
        keeping_up: Whether the last pictures have been seen. While False, lanes draw at rest only.
        speed: Steps a second of each learner; None for as many as there is time for.
    """

    viewing: Viewing = field(default_factory=Viewing)
    keeping_up: bool = True
    speed: float | None = None


class Lane:
    """A learner that learns until it is stopped.

    The curve is of what it earns while it learns. A learner that explores for as long as it learns (see
    `Traits.evaluates_greedily`) shows nothing there, so its greedy policy plays an episode of its own after each one.

    Args:
        task: What it learns.
        name: Of the learner.
        watch: How somebody looks.
        scales: Of the quantities that have no ends of their own, ``"value"`` and ``"credit"``; they are widened.

    Attributes:
        sight: The latest. It is replaced, never changed.
        curve: Returns so far.
        progress: (step, how far it is) of the running episode or of the one that has ended, every 20 steps; empty
            in a world without `World.progress`.
        env: The environment; None until `prepare`.
        tries: Another environment, in which the greedy policy plays; None where it doesn't.
        touched: How often somebody has changed the world by hand.
    """

    def __init__(self, task: Task, name: str, watch: Watch, scales: Scales) -> None:
        self.name = name
        self.sight = Sight()
        self.curve = Curve()
        self.progress: list[tuple[int, float]] = []
        self.env: Any = None
        self.tries: Any = None
        self.touched = 0
        self._task = task
        self._watch = watch
        self._scales = scales
        self._learner: Any = None
        self._drawing: Drawing | None = None
        self._past: deque[NDArray[np.float64]] = deque(maxlen=WINDOW)  # returns by agent
        self._earned = self._paid = np.zeros(1)  # in this episode, in the last step
        self._asked: deque[tuple[int, Touch]] = deque()
        self._marked: set[int] = set()  # agents touched in this episode
        self._again: list[tuple[int, Touch]] = []
        self._due = 0.0

    def prepare(self) -> None:
        """Make the environment and the learner.

        Raises:
            ValueError: They don't go together, or a bad argument.
            MissingLibraryError: A library that they need is missing.
        """
        self.env = self._task.make_env("rgb_array")
        picture = _renderer(self.env).picture
        if picture.world.n_agents <= MOST_DRAWN:
            self._drawing = Drawing(picture)
        self._learner = self._task.make_learner(self.name, self.env)
        self.env.reset(seed=self._task.seed)  # to be seen; `learn` begins with the same reset
        if Traits(type(self._learner)).evaluates_greedily:
            self.tries = self._task.make_env("rgb_array")
            self.tries.reset(seed=self._task.seed)

    def learn(self, after_step: Callable[[], None], after_episode: Callable[[], None]) -> None:
        """Learn until one of the callbacks raises something.

        Args:
            after_step: Called after each step but an episode's last.
            after_episode: Called after each episode, when the learner has learnt from it.
        """

        def step_taken(learner: Any) -> None:
            if learner.elapsed == 1:
                self._asked.extend(self._again)
                self._again.clear()
                self._marked.clear()
                self._earned = np.zeros(1)
            if hasattr(learner, "earned"):
                before, self._earned = self._earned, learner.earned[:, 0].copy()
                self._paid = self._earned - before
            if learner.elapsed % _STRIDE == 0 or not self.env.agents:
                self._follow(learner.elapsed)
            if self.env.agents:
                self._touch_now()
                self._look_now_and_then()
                after_step()

        def episode_played(learner: Any) -> None:
            earned = learner.history[-1]["local_return_mean"]
            learner.history.clear()  # else it would grow for as long as a page is open
            by_agent = learner.earned[:, 0] if hasattr(learner, "earned") else None
            if self.tries is not None:
                by_agent = greedy_returns(learner, self.tries)
                earned = float(team_reward(by_agent[:, None])[0])
            if by_agent is not None:
                self._past.append(by_agent.copy())
            self.curve.append(earned)
            self._look_now_and_then()
            after_episode()
            self._choose_path()

        self._choose_path()
        self._learner.learn(_ENDLESS, callback=episode_played, step_callback=step_taken)

    def touch(self, agent: int, touch: Touch) -> None:
        """Have that done to an agent by this lane's thread when it next looks or steps.

        Where no episode is running, it is done to what is seen, and again after the first step of the next one.
        """
        self._asked.append((agent, touch))

    def look(self, at_rest: bool = True) -> None:
        """Make `sight` what it is now."""
        begun = time.monotonic()
        self._touch_now()
        learner = self._learner
        running = bool(self.env.agents)
        env = self.env if running or self.tries is None else self.tries
        metrics = env.unwrapped.metrics() if hasattr(env.unwrapped, "metrics") else {}
        renderer = _renderer(env)
        moment = renderer.moment
        if env is self.env and moment.reward is None and learner.elapsed and len(self._paid) > 1:
            # A compiled loop has played: the learner knows what was paid.
            moment.reward, moment.team_return = self._paid, float(self._earned.mean())
        picture, missing = None, ""
        if at_rest or self._watch.keeping_up:
            picture, missing = self._draw(env)
        self.sight = Sight(
            episodes=learner.episodes,
            step=learner.elapsed,
            env_steps=int(learner.env_steps[0]) + (learner.elapsed if running else 0),
            last_return=self.curve.last,
            mean_return=self.curve.mean,
            metrics={k: float(v) for k, v in metrics.items() if isinstance(v, int | float)},
            picture=picture,
            status=renderer.picture.status(moment),
            missing=missing,
            touched=self.touched,
        )
        now = time.monotonic()
        self._due = now + max(_BETWEEN, _SHARE * (now - begun))

    def _draw(self, env: Any) -> tuple[str, str]:
        """Return a picture, and why its colours say nothing if they don't."""
        viewing, renderer = self._watch.viewing, _renderer(env)
        if self._drawing is None or viewing.colour == "render":
            png = base64.b64encode(draw(env)).decode()
            status = f"{self.name}: {renderer.picture.title}"
            return f'<img class="ex-picture" alt="{status}" src="data:image/png;base64,{png}">', ""
        if viewing.colour == "state":
            return self._drawing.draw(renderer.moment, touched=self._marked), ""
        shade = self._shade(viewing, renderer)
        ends = (0.0, 1.0)
        if viewing.colour in self._scales:
            self._scales[viewing.colour].widen(shade.values)
            ends = self._scales[viewing.colour].ends
        return self._drawing.draw(renderer.moment, shade, ends, self._marked), shade.missing

    def _shade(self, viewing: Viewing, renderer: Any) -> Shade:
        learner, world = self._learner, renderer.picture.world
        if viewing.colour == "policy":
            return shades.policy(learner, world, renderer.moment.state, viewing.action)
        if viewing.colour == "value":
            return shades.value(list(self._past))
        if not hasattr(learner, "earned"):
            return shades.unknown("This learner doesn't say what agents earn.")
        return shades.credit(learner, world.edges, learner.earned[:, 0], learner.elapsed)

    def _touch_now(self) -> None:
        while self._asked:
            agent, touch = self._asked.popleft()
            renderer = _renderer(self.env)
            self._marked.add(agent)
            touch.apply(renderer.picture.world, renderer.moment.state, agent)
            if self._learner.elapsed and self.env.agents:
                self.touched += 1
            else:
                self._again.append((agent, touch))

    def _choose_path(self) -> None:
        """Let a compiled loop play the next episode only where there isn't time for more.

        It leaves nobody to say what agents did in a step. An environment with a ``step`` of its own is stepped itself,
        see `crl_envs.core.overrides`; what is learnt is the same, bit for bit.
        """
        vars(self.env).pop("step", None)
        if self._watch.speed is not None:
            self.env.step = self.env.step

    def _follow(self, step: int) -> None:
        metric = WORLDS[self._task.world].progress
        if metric is None:
            return
        if self.progress and self.progress[-1][0] >= step:
            self.progress = []
        self.progress.append((step, float(self.env.unwrapped.metrics()[metric])))

    def _look_now_and_then(self) -> None:
        if time.monotonic() >= self._due:
            self.look(at_rest=False)


def greedy_returns(learner: Any, env: Any) -> NDArray[np.float64]:
    """Play an episode by a learner's most probable actions.

    Returns:
        ``float64[n]``, each agent's return.
    """
    observations, _ = env.reset()
    agents = list(env.possible_agents)
    returns = Returns(len(agents), 1)
    while env.agents:
        observations, rewards, *_ = env.step(learner.act(observations, deterministic=True))
        returns.add(in_order(rewards, agents)[:, None])
    by_agent: NDArray[np.float64] = returns.agents()[:, 0]
    return by_agent


def draw(env: Any) -> bytes:
    """Return the present state of an environment with ``render_mode="rgb_array"`` as a PNG file.

    It is packed for speed, since it only goes through this machine.
    """
    from PIL import Image

    with _DRAWING:
        frame = env.unwrapped.render()
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def picture_of(env: Any) -> Picture[Any]:
    """Return what an environment with a render mode says about its states."""
    picture: Picture[Any] = _renderer(env).picture
    return picture


def _renderer(env: Any) -> Any:
    """Return what knows an environment's picture and its present moment: it has a render mode."""
    return env.unwrapped._renderer
