"""What all learners share: the vocabulary of Stable-Baselines3, the loop over episodes, history, checkpoints."""

from __future__ import annotations

import math
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from agents.view import Episode, Frame, Transition, View, runs_compiled
from crl_envs.core import archive
from crl_envs.core.archive import Arrays
from crl_envs.core.arguments import check_bool, check_int, check_keywords, shown
from crl_envs.core.copies import CopiesApart
from crl_envs.core.returns import team_reward
from crl_envs.core.stream import Purpose, Stream

Callback = Callable[["Learner"], Any]

_APART: Final = np.uint64(2**63)  # clock of the first draws of `act`, far from those of `learn`
_CHECKPOINT: Final = "crl-envs learner 2"


def check_callback(name: str, callback: Any) -> Callback:
    """Return what can be called with the learner."""
    if not callable(callback):
        raise ValueError(f"{name} must be callable with the learner, got {shown(callback)}")
    checked: Callback = callback
    return checked


class Learner(CopiesApart, ABC):
    """Base of the learners. A subclass has a `config_class`, `choose`, `observe`, and names its state in `learnt`.

    On a vector env of B columns there are B learners, each on its own column with its own parameters: column b
    of a learner with seed s is the learner with seed s + b on a single environment. They learn in step: an
    episode begins in all columns together. (See `agents.view.View` on episodes of different lengths.)

    The environment is reset with the seed at the first episode and without one after that. Actions are drawn
    from a stream of the learner's own, also seeded with the seed; NumPy's global generator is left alone.

    Args:
        env: Any ParallelEnv, or a vector env in the layout of `crl_envs.core.WorldVectorEnv`.
        **config: Fields of `config_class`.

    Attributes:
        config: The hyperparameters, an object of `config_class`.
        episodes: Episodes learnt from, the same number in every column.
        env_steps: ``int64[B]``, environment steps learnt from, in whole episodes.
        history: One dict an episode: ``episode`` (from 0), ``steps`` (of this episode), ``env_steps`` (so far),
            ``local_return_mean`` (mean over agents of the episode's sum of own rewards, also under `GlobalReward`),
            ``global_return`` (episode's sum of the mean own reward of the agents that took part in the step), and
            what the environment's ``metrics()`` said at the end of the episode. Numbers on a single environment;
            on a vector env all but ``episode`` are arrays ``(B,)``.

    Raises:
        ValueError: An unknown hyperparameter or a bad value; an environment of another kind or with spaces that
            the learner can't learn with.
    """

    config_class: ClassVar[type[Any]]
    # Attributes that hold what has been learnt: arrays or numbers. Checkpoints have their names without a leading _.
    learnt: ClassVar[tuple[str, ...]]
    # What the bench asks of a class; see `crl_envs.bench.contract.Traits`.
    evaluates_greedily: ClassVar[bool] = False
    resumable: ClassVar[bool] = True
    measures_itself: ClassVar[bool] = True

    def __init__(self, env: Any, **config: Any) -> None:
        check_keywords(type(self).__name__, self.config_class, config)
        self.config = self.config_class(**config)
        self.env = env
        self.view = View(env, self.reads_rows())
        self.episodes = 0
        self.env_steps = np.zeros(self.view.num_envs, np.int64)
        self.history: list[dict[str, Any]] = []
        self._episode: Episode | None = None
        self._stream = self._stream_at(np.zeros_like(self.env_steps))
        self._act_stream = self._stream_at(np.full_like(self.env_steps, _APART))

    @property
    def elapsed(self) -> int:
        """Steps of the episode that is being played, or of the last one."""
        return 0 if self._episode is None else self._episode.elapsed

    @property
    def earned(self) -> NDArray[np.float64]:
        """``float64[n, B]``: what each agent has earned itself in that episode, so far."""
        if self._episode is None:
            return np.zeros((self.view.n_agents, self.view.num_envs))
        return self._episode.local_returns

    def learn(
        self,
        total_episodes: int | None = None,
        total_steps: int | None = None,
        callback: Callback | None = None,
        step_callback: Callback | None = None,
        every: int = 1,
    ) -> Self:
        """Go on learning. Two calls in a row are the same as one with the sum of their episodes.

        Args:
            total_episodes: Number of further episodes.
            total_steps: Number of further environment steps, in every column; the episode in which it is
                reached is played to its end.
            callback: Called with the learner after each episode; learning stops when it returns False.
            step_callback: Called with the learner after each `every`-th step of an episode and after its last;
                what it returns doesn't matter.
            every: Steps between calls of `step_callback`.

        Returns:
            The learner.

        Raises:
            ValueError: Not exactly one of the totals, or not a whole number ≥ 0; a callback that can't be called.
        """
        check_totals(total_episodes, total_steps)
        check_int("every", every, low=1)
        for name, called in (("callback", callback), ("step_callback", step_callback)):
            if called is not None:
                check_callback(name, called)
        last, goal = math.inf, None
        if total_episodes is not None:
            last = self.episodes + check_int("total_episodes", total_episodes, low=0)
        else:
            goal = self.env_steps + check_int("total_steps", total_steps, low=0)
        while self.episodes < last and (goal is None or (self.env_steps < goal).any()):
            self._play_episode(step_callback, every)
            if callback is not None:
                answer = callback(self)
                if answer is not None and not answer:
                    break
        return self

    def act(
        self, observations: Any, deterministic: bool = False, *, action_masks: Any = None
    ) -> Any:
        """Return actions of the present policy; draw nothing from the stream that learning uses.

        Args:
            observations: A dict agent → observation, of all agents or some (one column only), or an array
                ``(B, n, …)`` as the vector env gives. A learner with one column takes any B: its policy in B
                environments at once.
            deterministic: The most probable action (the first of equals) instead of a random one.
            action_masks: What is legal: a dict agent → mask, or an array ``(B, n, A)``.

        Returns:
            For a dict, a dict of ints with the same agents; for an array ``int64 (B, n)``.

        Raises:
            ValueError: An unknown agent, the wrong shape or a value outside of its space.
        """
        view = self.view
        is_dict = isinstance(observations, Mapping)
        if is_dict and view.num_envs > 1:
            raise ValueError(
                f"observations must be an array of shape ({view.num_envs}, {view.n_agents}, …), "
                "got a dict, which could be any column's"
            )
        make_frame = view.frame_of_dict if is_dict else view.frame_of_array
        frame = make_frame(observations, action_masks)
        n, b = view.n_agents, frame.rows.shape[1]
        if b != view.num_envs and not self.acts_in_any_columns():
            raise ValueError(
                f"observations must be of {view.num_envs} environment, the one that is learnt from, got {b}"
            )
        words = None
        if not check_bool("deterministic", deterministic):
            lanes = n if b == view.num_envs else n * b
            words = self._act_stream.words(Purpose.ACTION, lanes).reshape(n, b)
            self._act_stream.advance()
        chosen = np.broadcast_to(self.choose(frame, words), (n, b))
        actions = view.own_actions(chosen.astype(np.int64))
        if not is_dict:
            return np.ascontiguousarray(actions.T)
        every = dict(zip(view.agents, actions[:, 0].tolist(), strict=True))
        return {agent: every[agent] for agent in observations}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint (.npz, no pickle) to exactly `path`.

        It holds all of the learner and nothing of the environment: learning goes on from it bit for bit when the
        environment is in the state that it was in.
        """
        meta = {
            "learner": type(self).__name__,
            "config": asdict(self.config),
            "episodes": self.episodes,
            "history": self.history,
        }
        write_checkpoint(path, meta, self._all_arrays())

    @classmethod
    def load(cls, path: str | os.PathLike[str], env: Any) -> Self:
        """Return the learner in a checkpoint, on an environment with the same spaces and number of columns.

        The environment is used as it is: a learner that has learnt already doesn't reset it with its seed.
        ``Learner.load`` finds the class by its name among those that have been imported.

        Raises:
            ValueError: The file is damaged, of another learner, or doesn't fit the environment.
            OSError: The file can't be opened.
        """
        meta, arrays = read_checkpoint(path)
        try:
            learner: Self = _class_named(cls, meta["learner"])(env, **meta["config"])
            learner._restore(meta, arrays)
        except Exception as error:  # meta may lack anything, and hold anything
            raise ValueError(
                f"{os.fspath(path)} doesn't fit {cls.__name__} on {env}: {error}"
            ) from error
        return learner

    @abstractmethod
    def choose(self, frame: Frame, words: NDArray[np.uint32] | None) -> NDArray[np.integer]:
        """Return actions ``[n, B]`` in [0, A).

        Args:
            frame: What the agents know.
            words: ``uint32[n, B]``, a uniform word for each agent; None for the most probable actions.
        """

    @abstractmethod
    def observe(self, frame: Frame, actions: NDArray[np.integer], transition: Transition) -> None:
        """Take in a step: what the agents knew, what they did, and what came of it."""

    def begin_episode(self) -> None:
        """Get ready: the environment has just been reset."""

    def end_episode(self, episode: Episode) -> None:
        """Take in that the episode has ended in all columns."""

    def get_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that has been learnt, by name, for a checkpoint: the attributes that `learnt` names."""
        return {name.lstrip("_"): np.asarray(getattr(self, name)) for name in self.learnt}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from what `get_arrays` returned; shapes and dtypes are those of the present arrays."""
        for name in self.learnt:
            array = arrays[name.lstrip("_")]
            setattr(self, name, array if array.ndim else array.item())

    def reads_rows(self) -> bool | tuple[int, ...]:
        """Return whether observations are rows of a table, which their spaces must then make; a tuple: see `View`."""
        return True

    def acts_in_any_columns(self) -> bool:
        """Return whether `choose` takes frames with more columns than there are, when there is one."""
        return True

    def compiled_loop(self) -> str | None:
        """Return the module whose `play` runs whole episodes of load balancing compiled; None where there is none."""
        return None

    def measurements(self) -> dict[str, NDArray[Any]]:
        """Return what the learner adds to the history at the end of an episode: arrays ``[B]`` by name."""
        return {}

    def _play_episode(self, step_callback: Callback | None, every: int) -> None:
        view, stream = self.view, self._stream
        seed = None
        if self.episodes == 0:
            seed = self.config.seed
            stream.seed(seed)
        frame = view.reset(seed)
        self.begin_episode()
        self._episode = episode = Episode(view)
        self.play(frame, episode, step_callback, every)
        self.end_episode(episode)
        self.env_steps += episode.steps
        self._remember(episode)
        self.episodes += 1

    def play(
        self, frame: Frame, episode: Episode, step_callback: Callback | None, every: int
    ) -> None:
        """Act until the episode has ended in all columns; compiled, where that can be."""
        view, stream = self.view, self._stream
        loop = self.compiled_loop()
        if loop is not None and runs_compiled(self):
            import_module(loop).play(self, episode, step_callback, every)
            return
        while view.n_running:
            actions = self.choose(frame, stream.words(Purpose.ACTION, view.n_agents))
            stream.advance(None if view.n_running == view.num_envs else view.running)
            transition = view.step(actions)
            self.observe(frame, actions, transition)
            episode.add(transition)
            frame = transition.frame
            if step_callback is not None and (self.elapsed % every == 0 or not view.n_running):
                step_callback(self)

    def play_stretches(
        self,
        episode: Episode,
        step_callback: Callback | None,
        every: int,
        run: Callable[..., int],
        after: Callable[[int], None] | None = None,
    ) -> None:
        """Play the episode to its end by a compiled loop, in stretches of `every` steps when somebody wants to see.

        Args:
            episode: To be counted.
            step_callback: Called with the learner after each stretch.
            every: Steps of a stretch.
            run: ``run(world, state, seeds, clocks, most) -> steps`` plays at most so many; seeds and clocks are
                ``uint64[2, B]``, the environment's and the learner's.
            after: Called with the steps of a stretch before anybody sees it.
        """
        view, stream = self.view, self._stream

        def stretch(world: Any, state: Any, drawn: Stream, most: int) -> int:
            clocks = np.concatenate([drawn.clock, stream.clock]).reshape(2, -1)
            seeds = np.concatenate([drawn.seeds, stream.seeds]).reshape(2, -1)
            if step_callback is not None:
                most = min(most, every - self.elapsed % every)
            return run(world, state, seeds, clocks, most)

        while view.n_running:
            steps = view.fast_forward(stretch)
            stream.advance(ticks=steps)
            episode.count(steps)
            if after is not None:
                after(steps)
            if step_callback is not None and (self.elapsed % every == 0 or not view.n_running):
                step_callback(self)

    def _remember(self, episode: Episode) -> None:
        measured = {
            **episode.metrics,
            **self.measurements(),
            "steps": episode.steps,
            "env_steps": self.env_steps.copy(),
            "local_return_mean": team_reward(episode.local_returns),
            "global_return": episode.local_team_return,
        }
        if not self.view.is_vector:
            measured = {k: v[0].item() if v.ndim == 1 else v[0] for k, v in measured.items()}
        self.history.append({"episode": self.episodes, **measured})

    def _stream_at(self, clock: NDArray[np.integer]) -> Stream:
        stream = Stream(self.view.num_envs)
        stream.seed(self.config.seed, clock.astype(np.uint64))
        return stream

    def _all_arrays(self) -> dict[str, NDArray[Any]]:
        own = {f"learnt_{name}": array for name, array in self.get_arrays().items()}
        clocks = {"clock": self._stream.clock, "act_clock": self._act_stream.clock}
        return {"env_steps": self.env_steps, **clocks, **own}

    def _restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        for name, present in self._all_arrays().items():
            array = arrays[name]
            if array.shape != present.shape or array.dtype != present.dtype:
                raise ValueError(
                    f"{name} is {array.dtype} of shape {array.shape}, "
                    f"not {present.dtype} of shape {present.shape}"
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} has values that aren't finite")
        self.episodes = check_int("episodes", meta["episodes"], low=0)
        self.history = [dict(entry) for entry in meta["history"]]
        self.env_steps = arrays["env_steps"]
        self._stream = self._stream_at(arrays["clock"])
        self._act_stream = self._stream_at(arrays["act_clock"])
        self.set_arrays(
            {k.removeprefix("learnt_"): v for k, v in arrays.items() if k.startswith("learnt_")}
        )


def global_reward(transition: Transition) -> NDArray[np.float64]:
    """Return ``float64[B]``: the mean over the agents of the rewards that they were given."""
    if transition.team is not None:
        return transition.team.given
    return team_reward(transition.rewards)


def check_totals(total_episodes: int | None, total_steps: int | None) -> None:
    """Refuse both totals of `learn`, or none.

    Raises:
        ValueError: Not exactly one of them is given.
    """
    if (total_episodes is None) == (total_steps is None):
        raise ValueError(
            "exactly one of total_episodes and total_steps must be given, "
            f"got total_episodes={shown(total_episodes)}, total_steps={shown(total_steps)}"
        )


def write_checkpoint(path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Arrays) -> None:
    """Write what is known of a learner to exactly `path`; see `crl_envs.core.archive.write`."""
    archive.write(path, _CHECKPOINT, meta, arrays)


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return what `write_checkpoint` wrote.

    Raises:
        ValueError: The file is damaged or isn't a checkpoint; the message names it.
        OSError: The file can't be opened.
    """
    return archive.read(path, _CHECKPOINT, "a learner's checkpoint")


def source_digest(*modules: ModuleType) -> int:
    """Return a number that changes with the modules' source, for compiled loops.

    Numba keeps compiled code for as long as the file of the outermost function is the same, whatever it calls from
    other files. A function that has this number in its closure is compiled anew when one of them changes.
    """
    digest = 0
    for module in modules:
        digest = zlib.crc32(Path(str(module.__file__)).read_bytes(), digest)
    return digest


def _class_named(base: type[Any], name: str) -> type[Any]:
    """Return `base` or the class derived from it that has this name."""
    candidates = [base]
    for candidate in candidates:
        if candidate.__name__ == name:
            return candidate
        candidates += candidate.__subclasses__()
    raise ValueError(f"it holds a learner of the class {name}")
