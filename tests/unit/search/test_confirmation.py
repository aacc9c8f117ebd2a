"""A whole search with real training, to its end: the winner, trained again, is scored on pictures that nobody saw."""

import json
from pathlib import Path

import pytest

from benchmarks.search import Trainer, carry_out
from core import checkpoint
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data import open_split
from core.evaluate import evaluate
from core.normalise import Normaliser
from core.runs.store.records import RunState
from core.runs.store.studies import StudyStore
from core.search import read
from core.search.engine import open_storage
from core.search.space import Axis
from core.search.study_plan import SearchPlan

CONFIG = RunConfig(
    kind="distill",
    data=DataConfig(crop=64, views_per_epoch=32, labelled=2),
    model=ModelConfig("compact", {"base": 2}),
    train=TrainConfig(epochs=2, batch_size=8, device="cpu", precision="float32", validate_every=2),
    distill=DistillConfig(teacher="student-2", cache_views=1, losses={"soft_targets": 1.0}),
)
PLAN = SearchPlan(CONFIG, (Axis("alpha", low=0.0, high=0.8),), trials=2, sampler="random")


def search(home: Path, plan: SearchPlan = PLAN) -> read.Standing:
    """A finished search `real` below `home`, on the shipped scenes: seconds a run."""
    store = StudyStore(home=home)
    open_storage(store.search_url).engine.dispose()
    trainer = Trainer(home)
    trainer.start()
    found = carry_out(store, trainer, "real", plan)
    trainer.over.set()
    trainer.join()
    store.close()
    return found


@pytest.mark.slow
def test_the_winner_is_trained_again_for_real_and_scored_once_on_the_test_part(tmp_path: Path) -> None:
    found = search(tmp_path / "home")
    store = StudyStore(home=tmp_path / "home")
    rows = store.trials("real")
    assert {row.state for row in rows} == {RunState.DONE}
    roles = [row.role for row in rows]
    assert [roles.count(role) for role in ("trial", "winner", "control")] == [2, 3, 3]
    best = max((row for row in rows if row.role == "trial"), key=lambda row: row.summary["best_miou5"])
    assert not [row.id for row in rows if row.role == "trial" and "test_miou5" in row.summary]
    (again,) = found.confirmed
    assert (again.winner, again.part, found.search.summary["winner"]) == (best.number, "test", best.number)
    pairs = {role: [row for row in rows if row.role == role] for role in ("winner", "control")}
    assert again.pairs == tuple(
        (winner.summary["test_miou5"], control.summary["test_miou5"])
        for winner, control in zip(pairs["winner"], pairs["control"], strict=True)
    )
    configs = [store.get(row.id).config for row in pairs["winner"]]
    assert len({config.train.seed for config in configs} | {store.get(best.id).config.train.seed}) == 4
    assert {config.distill.alpha for config in configs if config.distill} == {best.facts["params"]["alpha"]}
    for winner, control in zip(pairs["winner"], pairs["control"], strict=True):
        config = store.get(control.id).config
        assert (config.control_of, config.distill, config.train.seed) == (
            winner.id,
            None,
            store.get(winner.id).config.train.seed,
        )
    _scores_are_those_of_the_shipped_weights(store, pairs["winner"][0].id, again.scores[0])
    shown = read.report(store, "real")
    assert shown["confirmed"][0]["scores"] == again.scores
    assert json.loads(json.dumps(shown)) == shown
    store.close()


def _scores_are_those_of_the_shipped_weights(store: StudyStore, run_id: str, score: float) -> None:
    loaded = checkpoint.load(checkpoint.resolve(run_id, runs=store.home))
    data, split = open_split(CONFIG.data)
    report = evaluate(loaded.model, split.test, data.dataset.classes, normaliser=Normaliser.of_card(loaded.card, "cpu"))
    assert report.scores.miou5 == pytest.approx(score, abs=1e-6)
