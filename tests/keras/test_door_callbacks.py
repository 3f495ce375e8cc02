"""Callbacks do at the same epochs what real Keras's do, and the progress bar reads like Keras's."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras as real
from deepwell import keras as door
from deepwell.core.errors import ConfigError, MissingExtra, RunError
from deepwell.keras import callbacks, layers, models
from deepwell.keras.progress import Bar

rng = np.random.default_rng(11)
X = rng.random((96, 5)).astype("float32")
Y = (X @ rng.random((5, 1)) + 0.3 * rng.standard_normal((96, 1))).astype("float32")
FLOAT32 = {"threads": 1, "precision": "float32"}


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights are drawn the same each time, whichever tests ran before."""
    real.utils.set_random_seed(7)


def net(k: Any) -> Any:
    return k.Sequential([k.Input((5,)), k.layers.Dense(16, activation="tanh"), k.layers.Dense(1)])


def both(made: Any, epochs: int = 12, rate: float = 0.1, **options: Any) -> list[Any]:
    """Real Keras and the door, from the same weights, with the callbacks that `made(k)` gives: [(model, history), ...]."""
    start = net(real).get_weights()
    found = []
    for k in (real, door):
        model = net(k)
        model.set_weights(start)
        model.compile(k.optimizers.SGD(rate), "mse")
        history = model.fit(
            X,
            Y,
            epochs=epochs,
            batch_size=16,
            shuffle=False,
            verbose=0,
            validation_split=0.25,
            callbacks=made(k),
            **options,
        )
        found.append((model, history))
    return found


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_stops_where_keras_stops(restore: bool) -> None:
    def made(k: Any) -> list[Any]:
        return [k.callbacks.EarlyStopping(patience=1, min_delta=1e-3, restore_best_weights=restore)]

    (theirs, past), (ours, history) = both(made, epochs=40)
    assert history.epoch == past.epoch
    assert len(history.epoch) < 40
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, atol=1e-3)


def test_the_rate_falls_where_keras_lets_it_fall() -> None:
    def made(k: Any) -> list[Any]:
        return [k.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05, cooldown=1, min_lr=0.02)]

    (_, past), (_, history) = both(made)
    assert list(history.history) == list(past.history)
    np.testing.assert_allclose(history.history["learning_rate"], past.history["learning_rate"], rtol=1e-6)
    assert min(history.history["learning_rate"]) < 0.1


def test_a_schedule_by_epoch_sets_the_rate_and_it_counts_at_once() -> None:
    def made(k: Any) -> list[Any]:
        return [k.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch > 2 else rate)]

    (theirs, past), (ours, history) = both(made, epochs=6)
    np.testing.assert_allclose(history.history["learning_rate"], past.history["learning_rate"], rtol=1e-6)
    np.testing.assert_allclose(history.history["loss"], past.history["loss"], rtol=1e-3)
    assert float(ours.optimizer.learning_rate) == pytest.approx(float(theirs.optimizer.learning_rate))


def test_all_hooks_are_called_in_keras_order() -> None:
    told: dict[str, list[str]] = {}

    def made(k: Any) -> list[Any]:
        heard = told.setdefault(k.__name__, [])
        hooks = [
            f"on_{part}{when}_{end}"
            for part in ("train", "epoch", "test")
            for when in ("", "_batch")
            for end in ("begin", "end")
        ]
        written = {h: (lambda self, *_, _h=h, **__: heard.append(_h)) for h in hooks if "epoch_batch" not in h}
        return [type("Telling", (k.callbacks.Callback,), written)()]

    (_, _), (ours, _) = both(made, epochs=2, validation_batch_size=16)
    assert told["deepwell.keras"] == told["keras"]
    assert ours.history.params == {"verbose": 0, "epochs": 2, "steps": 5}


def test_batch_logs_are_read_when_asked_and_a_step_can_end_the_fit() -> None:
    seen: list[float] = []

    class Stopping(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])
            assert set(logs) == {"loss", "mae"}
            self.model.stop_training = batch == 1

    model = net(door)
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=16, epochs=5, shuffle=False, verbose=0, callbacks=[Stopping()])
    assert len(seen) == 2
    assert history.history["loss"] == [pytest.approx(seen[-1])]


def test_checkpoints_keep_the_best_and_are_opened_again(tmp_path: Path) -> None:
    model = net(door)
    model.compile("adam", "mse", plan=FLOAT32)
    best = callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True)
    each = callbacks.ModelCheckpoint(tmp_path / "w-{epoch:02d}-{loss:.3f}.weights.h5", save_weights_only=True)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[best, each])
    losses = history.history["loss"]
    assert sorted(p.name for p in tmp_path.glob("w-*")) == [
        f"w-{i + 1:02d}-{v:.3f}.weights.h5" for i, v in enumerate(losses)
    ]
    np.testing.assert_array_equal(
        models.load_model(tmp_path / "best.keras").predict(X, verbose=0), model.predict(X, verbose=0)
    )
    with pytest.raises(ConfigError, match="names 'val_loss', which is not there"):
        model.fit(X, Y, verbose=0, callbacks=callbacks.ModelCheckpoint(str(tmp_path / "{val_loss}")))


@pytest.mark.parametrize("loss", ["mse", "MeanAbsoluteError", "log_cosh", "dice", door.losses.Huber(0.5), None])
def test_a_model_opens_again_whatever_its_loss_is_called(loss: Any, tmp_path: Path) -> None:
    model = net(door)
    model.compile("adam", loss)
    model.save(tmp_path / "m.keras")
    opened = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(opened.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_csv_log_is_that_of_keras(tmp_path: Path) -> None:
    both(lambda k: [k.callbacks.CSVLogger(str(tmp_path / f"{k.__name__}.csv"))], epochs=3)
    theirs, ours = (
        list(csv.reader((tmp_path / f"{n}.csv").read_text().splitlines())) for n in ("keras", "deepwell.keras")
    )
    assert ours[0] == theirs[0] == ["epoch", "loss", "val_loss"]
    np.testing.assert_allclose(np.array(ours[1:], float), np.array(theirs[1:], float), rtol=1e-3)


def test_a_loss_that_is_not_finite_ends_the_fit_with_words_or_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    model = net(door)
    model.compile("sgd", "mse")
    wild = X * 1e38
    before = model.get_weights()
    with pytest.raises(RunError, match=r"(loss|gradient) became (inf|nan)[\s\S]*TerminateOnNaN"):
        model.fit(wild, Y * 1e38, verbose=0)
    model.fit(wild, Y * 1e38, verbose=0, epochs=4, callbacks=[callbacks.TerminateOnNaN()])
    assert model.history.epoch == [0]
    assert "the training ends" in capsys.readouterr().out
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_function_as_hook_and_what_is_no_callback() -> None:
    told: list[int] = []
    model = net(door)
    model.compile("sgd", "mse")
    model.fit(
        X, Y, epochs=2, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=lambda e, logs: told.append(e))]
    )
    assert told == [0, 1]
    with pytest.raises(ConfigError, match=r"did you mean 'EarlyStopping'"):
        model.fit(X, Y, verbose=0, callbacks=["EarlyStoping"])
    with pytest.raises(ConfigError, match="make an object of it"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping])


def test_a_value_that_is_not_there_is_named() -> None:
    model = net(door)
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="EarlyStopping watches 'val_los', which is not there; did you mean 'loss'"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("val_los")])


def test_tensorboard_writes_what_the_history_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    model = net(door)
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0, validation_split=0.2, callbacks=[callbacks.TensorBoard(tmp_path)])
    assert {p.name for p in tmp_path.iterdir()} == {"train", "validation"}


def test_without_the_library_tensorboard_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtra, match=r"needs the library 'tensorboard'[\s\S]*deepwell\[track\]"):
        callbacks.TensorBoard()


def test_evaluate_and_predict_call_their_hooks() -> None:
    told: list[str] = []

    class Telling(callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            told.append("test")

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append(f"test {batch} {logs['loss']:.0f}")

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append(f"predict {batch}")

    model = net(door)
    model.compile("sgd", "mse")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.evaluate(X, np.full((96, 1), 2.0), batch_size=48, verbose=0, callbacks=Telling())
    model.predict(X, batch_size=40, steps=2, verbose=0, callbacks=[Telling()])
    assert told == ["test", "test 0 4", "test 1 4", "predict 0", "predict 1"]


@pytest.mark.parametrize("verbose", [1, 2])
def test_one_plain_line_an_epoch_where_there_is_no_terminal(verbose: int, capsys: pytest.CaptureFixture[str]) -> None:
    model = net(door)
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, batch_size=16, verbose=verbose, validation_split=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[2] == "Epoch 2/2"
    assert len(lines) == 4
    bar = "━" * 20
    wanted = ["5/5", bar, "0s"] if verbose == 1 else ["5/5", "-", "0s", "-"]
    assert lines[1].split()[: len(wanted)] == wanted
    assert [w.rstrip(":") for w in lines[1].split() if w.endswith(":")] == ["loss", "val_loss"]


def test_the_bar_of_a_terminal_is_that_of_keras(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    bar, theirs = Bar(8, 1), real.utils.Progbar(8, stateful_metrics=["loss"])
    bar.stepped()
    bar.draw(8, {"loss": 0.25, "tiny": 2e-4}, last=True)
    ours = capsys.readouterr().out.lstrip("\r")
    theirs.update(8, [("loss", 0.25), ("tiny", 2e-4)], finalize=True)
    want = capsys.readouterr().out.lstrip("\r\x08")

    def timeless(text: str) -> list[str]:
        return [w for w in text.split() if "/step" not in w]

    assert timeless(ours)[:2] == timeless(want)[:2]
    assert timeless(ours)[-6:] == timeless(want)[-6:] == ["-", "loss:", "0.2500", "-", "tiny:", "2.0000e-04"]


def test_a_layer_may_also_be_called_by_hand() -> None:
    got = layers.Dropout(0.5)(np.ones((2, 1000), "float32"), training=True)
    assert 0.3 < float((got == 0).float().mean()) < 0.7
    assert float((layers.Dropout(0.5)(np.ones((2, 10), "float32")) == 0).float().mean()) == 0


@pytest.mark.parametrize("build", ["lambda", "subclass"])
def test_a_checkpoint_of_what_cannot_be_sealed_is_refused_before_training(build: str, tmp_path: Path) -> None:
    class Own(door.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.end = layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.end(x)

    made = (
        Own()
        if build == "subclass"
        else models.Sequential([door.Input((5,)), layers.Lambda(lambda x: x * 2), layers.Dense(1)])
    )
    made.compile("adam", "mse")
    with pytest.raises(ConfigError, match="your own"):
        made.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "a.keras")])
    assert int(made.optimizer.iterations) == 0
    made.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "a.safetensors", save_weights_only=True)])


def test_a_path_that_names_what_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    model = net(door)
    model.compile("adam", "mse", metrics=["mae"])

    def fit(path: str, *others: Any, **options: Any) -> Any:
        saver = callbacks.ModelCheckpoint(tmp_path / path, save_weights_only=True, **options)
        return model.fit(X, Y, verbose=0, batch_size=16, callbacks=[*others, saver])

    with pytest.raises(ConfigError, match="names 'val_maee', which is not there"):
        fit("m{val_maee:.2f}")
    with pytest.raises(ConfigError, match="names 'val_mae'"):  # there is no validation
        fit("m{val_mae:.2f}")
    with pytest.raises(ConfigError, match="names 'batch'"):
        fit("m{batch}")
    assert int(model.optimizer.iterations) == 0
    fit("m{epoch}-{mae:.2f}")

    class Adding(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["mine"] = 3.0

    fit("own-{mine:.0f}", Adding())
    fit("function-{mine}", callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(mine=4)))
    with pytest.raises(ConfigError, match="names 'yours'; there are: epoch, loss, mae, mine"):
        fit("own-{yours}", Adding())
    assert (tmp_path / "own-3").exists()


def test_a_checkpoint_of_steps_may_name_the_batch_as_in_keras(tmp_path: Path) -> None:
    def made(k: Any) -> list[Any]:
        path = tmp_path / k.__name__ / "{epoch}-{batch}.weights.h5"
        path.parent.mkdir(exist_ok=True)
        return [k.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=2)]

    both(made, epochs=2)
    theirs, ours = (sorted(p.name for p in (tmp_path / k.__name__).iterdir()) for k in (real, door))
    assert theirs == ours


def test_the_outputs_of_a_batch_are_given_to_callbacks() -> None:
    def told(k: Any, model: Any) -> list[Any]:
        heard: list[Any] = []

        class Hearing(k.callbacks.Callback):  # type: ignore[misc]
            def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
                heard.append(batch)

            def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
                found = logs["outputs"]
                heard.append([np.shape(v) for v in found] if isinstance(found, list) else np.shape(found))

        model.predict(X, batch_size=40, verbose=0, callbacks=[Hearing()])
        return heard

    def forked(k: Any) -> Any:
        x = k.Input((5,))
        return k.Model(x, [k.layers.Dense(2)(x), k.layers.Dense(3)(x)])

    assert told(door, net(door)) == told(real, net(real)) == [0, (40, 1), 1, (40, 1), 2, (16, 1)]
    assert told(door, forked(door)) == told(real, forked(real))


def test_a_csv_log_of_several_numbers_is_that_of_keras(tmp_path: Path) -> None:
    values = {"f1": np.array([0.25, 0.5], "float32"), "loss": 1.5}
    for k in (real, door):
        log = k.callbacks.CSVLogger(str(tmp_path / k.__name__))
        log.set_model(net(k))
        log.on_train_begin()
        log.on_epoch_end(0, values)
        log.on_train_end()
    assert (tmp_path / door.__name__).read_text() == (tmp_path / real.__name__).read_text().replace("\r\n", "\n")


@pytest.mark.parametrize("wrong", ["EarlyStopping", callbacks.EarlyStopping])
def test_a_callback_that_is_no_object_is_told_how_to_be_one(wrong: Any) -> None:
    model = net(door)
    model.compile("adam", "mse")
    with pytest.raises(ConfigError) as caught:
        model.fit(X, Y, verbose=0, callbacks=[wrong])
    assert "callbacks=[EarlyStopping()]" in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_what_compile_was_told_can_be_read_and_values_come_in_keras_s_order() -> None:
    answers = []
    for k in (real, door):
        model = net(k)
        model.compile("adam", "mse", metrics=["mae", "mape"])
        assert model.loss == "mse"
        assert model.compiled
        answers.append(list(model.evaluate(X, Y, verbose=0, return_dict=True)))
    assert answers[0] == answers[1]


def test_what_regularisers_cost_and_the_metrics_can_be_read() -> None:
    costs = []
    weights: list[Any] = []
    for k in (real, door):
        model = k.Sequential(
            [k.Input((5,)), k.layers.Dense(3, kernel_regularizer=k.regularizers.l2(0.1)), k.layers.Dense(1)]
        )
        weights = weights or model.get_weights()
        model.set_weights(weights)
        assert not getattr(model, "compiled", False)
        costs.append([cost.item() for cost in model.losses])
    assert costs[1] == pytest.approx(costs[0], rel=1e-5)
    assert len(costs[0]) == 1
    plain = net(door)
    assert plain.losses == []
    assert plain.metrics == []
    plain.compile("adam", "mse", metrics=["mae"])
    plain.fit(X, Y, verbose=0)
    assert [m.name for m in plain.metrics] == ["mae"]
