"""The experiments: what they contain fits together, and their analyses say what a summary says."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crl_envs.bench.contract import Traits
from crl_envs.bench.experiment import number
from crl_envs.bench.experiments import EXPERIMENTS, find_experiment
from crl_envs.bench.experiments.bandit import trials_enough
from crl_envs.bench.experiments.neural import ROLLOUT
from crl_envs.bench.learners import learner_spec, missing_libraries
from crl_envs.bench.score.measures import Landmarks, Log, landmarks
from crl_envs.bench.score.results import Settings, summary
from crl_envs.bench.store import RunId
from crl_envs.bounds import all_right

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("sb3-", "benchmarl-", "rllib-")
EVERY = list(EXPERIMENTS.values())
TASKS = [(experiment, value) for experiment in EVERY for value in experiment.values]

each_experiment = pytest.mark.parametrize("experiment", EVERY, ids=lambda x: x.name)
each_task = pytest.mark.parametrize(
    ("experiment", "value"), TASKS, ids=[f"{x.name}-{value}" for x, value in TASKS]
)


def curve(budgets, arrives_after):
    """Returns of runs, one for each element of `arrives_after`: 0 before it, 1 from then on; None: never."""
    return Log(
        np.array(budgets, float),
        np.array([[float(a is not None and b >= a) for b in budgets] for a in arrives_after]),
    )


def summary_of(experiment, arrivals):
    """A summary of made-up runs: by learner and value, after what they arrive."""
    ends = {value: Landmarks(0.0, 1.0, 1.0) for value in experiment.values}
    logs = {
        learner: {
            value: curve(experiment.budgets(value), after) for value, after in by_value.items()
        }
        for learner, by_value in arrivals.items()
    }
    settings = Settings(epsilon=experiment.epsilon, resamples=50)
    return summary(ends, logs, settings, scaling=experiment.analysis.scaling)


def make(experiment, value, name):
    """A learner on a task, as a run has it."""
    task, spec = experiment.task(value), learner_spec(name)
    env = task.make() if experiment.compiled or not measures_itself(spec) else task.make_vec(1)
    return spec.load()(env, seed=1, **spec.config)


def measures_itself(spec):
    return Traits(spec.load()).measures_itself


class TestContents:
    def test_all_of_them(self):
        assert list(EXPERIMENTS) == [experiment.name for experiment in EVERY]
        worlds = {
            "bandit": {"n", "noise", "neural-n"},
            "sysadmin": {"n", "noise", "horizon", "topology", "neural-n"},
            "load-balancing": {"n", "noise", "horizon", "topology", "fillings-n"},
            "routing": {"load", "n"},
            "tiger": {"horizon"},
            "broadcast": {"horizon"},
            **{
                w: {"n"}
                for w in (
                    "access",
                    "epidemic",
                    "consensus",
                    "firefighting",
                    "coordination-game",
                    "traffic",
                )
            },
        }
        assert {x.name for x in EVERY} == {f"{w}-{k}" for w, knobs in worlds.items() for k in knobs}

    @each_experiment
    def test_statement_title_and_paper(self, experiment):
        assert experiment.name.endswith(f"-{experiment.knob}")
        assert experiment.statement.startswith(f"{experiment.title}")
        for part in ("**Task.**", "**Varied.**", "**Held fixed.**", "**A good learner.**", "§"):
            assert part in experiment.statement

    @each_task
    def test_budgets(self, experiment, value):
        budgets = experiment.budgets(value)
        grain = experiment.grain(value)
        assert list(budgets) == sorted(set(budgets))
        assert all(budget % grain == 0 for budget in budgets)
        assert budgets[-1] - grain < experiment.budget(value) <= budgets[-1]
        assert abs(budgets[0] - experiment.first) <= grain / 2
        assert len(budgets) > experiment.evaluations / 2

    @each_task
    def test_evaluations_are_of_whole_episodes(self, experiment, value):
        if experiment.unit == "env steps":
            horizon = experiment.task(value).env_kwargs.get("horizon", 1)  # a bandit's is 1
            assert experiment.grain(value) % horizon == 0

    @each_experiment
    def test_quick_is_part_of_the_whole(self, experiment):
        assert set(experiment.quick) < set(experiment.values)
        costs = {value: experiment.budgets(value)[-1] for value in experiment.values}
        assert max(costs[value] for value in experiment.quick) <= max(costs.values())

    @each_task
    def test_ids(self, experiment, value):
        id = RunId(experiment.name, experiment.version, experiment.knob, value, "random", 0)
        assert RunId.parse(str(id)) == id

    @each_task
    def test_the_knob_is_all_that_varies(self, experiment, value):
        task, first = experiment.task(value), experiment.task(experiment.values[0])
        assert task.env_id == first.env_id
        assert json.dumps(experiment.task(value).plain()) == json.dumps(task.plain())
        varied = {k for k in task.env_kwargs if task.env_kwargs[k] != first.env_kwargs.get(k)}
        allowed = {
            "n": {"n_agents", "load"},  # what enters goes with the nodes that carry it
            "noise": {"p_correct", "p_wrong"},
            "horizon": {"horizon", "n_loads"},
            "topology": {"topology", "servers"},
            "load": {"load"},
        }
        assert varied <= allowed[experiment.knob]
        assert (task.reward_noise == first.reward_noise) or experiment.knob == "noise"
        if experiment.knob == "n":
            assert len(task.make().possible_agents) == value

    @each_task
    def test_the_baselines_can_be_made(self, experiment, value):
        if value not in experiment.quick:
            pytest.skip("those of other values are made in the same way")
        for name in experiment.baselines:
            if not name.startswith(LIBRARIES):
                make(experiment, value, name)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries warn of each other
    @each_experiment
    def test_the_baselines_of_libraries_can_be_made(self, experiment):
        names = [name for name in experiment.baselines if name.startswith(LIBRARIES)]
        missing = missing_libraries(map(learner_spec, names))
        for name in names:
            if name not in missing:
                make(experiment, experiment.quick[0], name)

    def test_neural_learners_learn_from_whole_rollouts(self):
        """What Stable-Baselines3's PPO has learnt from at a budget is the budget."""
        sb3 = pytest.importorskip("agents.libraries.sb3", exc_type=ImportError)
        assert sb3.PPOConfig().n_steps == ROLLOUT
        for name in ("bandit-neural-n", "sysadmin-neural-n"):
            experiment = EXPERIMENTS[name]
            learner = make(experiment, 5, "sb3-ppo")
            for budget in experiment.budgets(5)[:3]:
                learner.learn(total_steps=budget - int(learner.env_steps[0]))
                assert learner.env_steps[0] == budget

    @pytest.mark.parametrize("n", EXPERIMENTS["load-balancing-fillings-n"].values)
    def test_going_round_in_circles_is_no_better_than_random(self, n):
        """A filling in which nothing is stored after the easy loads, and delegations cost 12 each, scores below 0."""
        experiment = EXPERIMENTS["load-balancing-fillings-n"]
        found, _ = landmarks(experiment, n)
        world = experiment.task(n).make().unwrapped
        steps = experiment.task(n).env_kwargs["max_steps"] - int(world.capacity.sum())
        assert -12 * steps / n < found.random


class TestFind:
    @each_experiment
    def test_by_name_and_version(self, experiment):
        assert find_experiment(experiment.name) is experiment
        assert find_experiment(experiment.id) is experiment

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("sysadmin_n", "did you mean 'sysadmin-n'"),
            ("sysadmin-nois", "did you mean 'sysadmin-noise'"),
            ("", "no experiment ''; `crl-envs list` shows all"),
            ("sysadmin-n@2", "at version 1 here, got 'sysadmin-n@2'"),
            ("sysadmin-n@", "at version 1 here, got 'sysadmin-n@'"),
            ("Sysadmin-n@1", "no experiment 'Sysadmin-n'"),
        ],
    )
    def test_refused(self, name, message):
        with pytest.raises(ValueError, match=message):
            find_experiment(name)

    def test_importing_is_light(self):
        code = (
            "import sys, crl_envs.bench.experiments as e; e.find_experiment('bandit-n');"
            "print([m for m in ('scipy', 'numba', 'matplotlib', 'agents', 'torch', 'ray') if m in sys.modules])"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert found.stdout.strip() == "[]"


class TestReferences:
    @each_experiment
    def test_fit_any_values(self, experiment):
        for values in (experiment.values, experiment.values[:1], ()):
            for reference in experiment.analysis.references(values):
                assert len(reference.values) == len(reference.samples) == len(values)
                assert all(math.isfinite(s) and s > 0 for s in reference.samples)

    def test_lower_bound_theory_and_budget_are_in_order(self):
        experiment = EXPERIMENTS["bandit-n"]
        lower, _, least_squares, local = experiment.analysis.references(experiment.values)
        budgets = [experiment.budgets(n)[-1] for n in experiment.values]
        assert (np.array(lower.samples) < np.array(least_squares.samples)).all()
        assert (2 * np.array(least_squares.samples) < np.array(budgets)).all()
        assert len(set(local.samples)) == 1

    def test_lemma_4_2_is_an_upper_bound_that_grows_as_a_logarithm(self):
        for n in (16, 256):
            assert all_right(n, trials_enough(n)) >= 0.95
        doublings = np.diff([trials_enough(2**k) for k in range(4, 20)])
        assert doublings.max() - doublings.min() <= 2  # rounding

    @pytest.mark.parametrize("name", ["sysadmin-n", "sysadmin-horizon"])
    def test_guides_go_through_one_point(self, name):
        experiment = EXPERIMENTS[name]
        anchor = {"sysadmin-n": 8, "sysadmin-horizon": 20}[name]
        assert {r.samples[0] for r in experiment.analysis.references([anchor])} == {1400}


class TestVerdicts:
    def test_of_scaling(self):
        experiment = EXPERIMENTS["sysadmin-n"]
        found = summary_of(
            experiment,
            {
                "reinforce-local": {n: [1000] * 3 for n in experiment.values},
                "reinforce-global": {n: [300 * n] * 3 for n in (8, 16, 32)} | {64: [None] * 3},
                "random": {n: [None] * 3 for n in experiment.values},
            },
        )
        *growths, price = experiment.analysis.verdict(found)
        teams, local, random = sorted(growths, key=lambda s: ("random" in s, s))
        assert local.startswith("reinforce-local: samples-to-ε grows as n^")
        power = float(local.split("n^")[1].split(" ")[0])
        assert abs(power) < 0.2  # not 0: each n has its own evaluations
        assert local.endswith("n* = 64.")
        assert teams.startswith("reinforce-global: samples-to-ε grows as n^")
        assert ", without n = 64; n* = 32." in teams
        assert random == (
            "random: samples-to-ε is known at fewer than two values of n; "
            "n* isn't known: not even the smallest n is solved."
        )
        assert price.startswith("To the level of 0.9, samples of reinforce-global for one of")
        assert " at n = 8, " in price
        assert price.endswith(" at n = 32.")

    def test_of_neural_learners(self):
        """What the global reward costs and what sharing saves; nothing of learners that weren't run."""
        experiment = EXPERIMENTS["sysadmin-neural-n"]
        need = {"benchmarl-ippo": 1, "benchmarl-ippo-global": 4, "benchmarl-ippo-unshared": 2}
        found = summary_of(
            experiment,
            {name: {n: [100 * k] * 3 for n in (5, 50)} for name, k in need.items()},
        )
        prices = [s for s in experiment.analysis.verdict(found) if s.startswith("To the level")]
        assert [s.split(", ", 1)[1].split(":")[0] for s in prices] == [
            "samples of benchmarl-ippo-global for one of benchmarl-ippo",
            "samples of benchmarl-ippo-unshared for one of benchmarl-ippo",
        ]

    def test_of_a_hole(self):
        experiment = EXPERIMENTS["sysadmin-n"]
        arrivals = {8: [40] * 3, 16: [None] * 3, 32: [40] * 3, 64: [40] * 3}
        found = summary_of(experiment, {"own": arrivals})
        (sentence,) = experiment.analysis.verdict(found)
        assert sentence.endswith(
            "without n = 16; n* = 8 (also solved, beyond an unsolved one: 32 and 64)."
        )

    def test_of_scores(self):
        experiment = EXPERIMENTS["load-balancing-n"]
        found = summary_of(
            experiment,
            {
                "crl": {n: [0] * 4 for n in experiment.values},
                "dvf": {10: [0, 0, 0, None], 50: [0, None, None, None]},
            },
        )
        assert experiment.analysis.verdict(found) == [
            "crl: score 1.00 at n = 10, 1.00 at n = 20, 1.00 at n = 30, 1.00 at n = 50; "
            "all of its runs are at 0.98 or above.",
            "dvf: score 0.75 at n = 10, 0.25 at n = 50; 50 % of its runs are at 0.98 or above.",
            "From n = 10 to 50, dvf loses 0.50 of the way from random to the optimum.",
            "From n = 10 to 50, crl neither loses nor gains.",
        ]

    def test_of_names(self):
        experiment = EXPERIMENTS["sysadmin-topology"]
        found = summary_of(
            experiment,
            {
                "reinforce-local": {"star": [0] * 2, "ring": [None] * 2},
                "reinforce-own": {"star": [None] * 2, "ring": [0] * 2, "grid": [None] * 2},
            },
        )
        best = experiment.analysis.verdict(found)[-1]
        assert set(best.removeprefix("The highest mean score: ").rstrip(".").split(", ")) == {
            "reinforce-own at topology = ring",
            "reinforce-local at topology = star",
            "reinforce-own at topology = grid",
        }

    @each_experiment
    @pytest.mark.parametrize("runs", [1, 3])
    def test_cope_with_what_is_missing(self, experiment, runs):
        """One learner, one run or several, one value or all, arrived or not."""
        for values in (experiment.values, experiment.values[-1:]):
            for after in (0, None):
                for learner in ("somebody", experiment.baselines[0]):
                    found = summary_of(experiment, {learner: {v: [after] * runs for v in values}})
                    sentences = experiment.analysis.verdict(found)
                    assert any(sentence.startswith(f"{learner}: ") for sentence in sentences)
                    for sentence in sentences:
                        assert sentence.endswith(".")
                        assert "None" not in sentence
                        assert "nan" not in sentence

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "–"),
            (0.0, "0.00"),
            (-0.024, "-0.02"),
            (0.9934, "0.993"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (1234.5, "1,234"),
        ],
    )
    def test_numbers(self, value, text):
        assert number(value) == text


HEADER = ("experiment", "knob and its values", "budget", "evaluations", "ε", "shipped learners")


def experiments_table(experiments):
    """One row an experiment; the values of ``--quick`` in bold, budgets from the smallest to the largest."""
    rows = [HEADER, (":--",) * len(HEADER), *map(table_row, experiments)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def table_row(experiment):
    values = [
        f"**{value}**" if value in experiment.quick else str(value) for value in experiment.values
    ]
    return (
        f"`{experiment.id}`",
        f"{experiment.knob}: {', '.join(values)}",
        budget_cell(experiment),
        str(max(len(experiment.budgets(value)) for value in experiment.values)),
        f"{experiment.epsilon:g}",
        ", ".join(experiment.baselines),
    )


def budget_cell(experiment):
    budgets = [experiment.budgets(value)[-1] for value in experiment.values]
    low, high = min(budgets), max(budgets)
    if high == 1:
        return "1 episode"
    amount = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{amount} {experiment.unit}"


def test_the_table_in_the_docs_is_that_of_the_code():
    page = (ROOT / "docs" / "bench" / "experiments.md").read_text(encoding="utf-8")
    assert experiments_table(EVERY) in page
