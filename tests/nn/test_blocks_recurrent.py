"""SimpleRNN, LSTM, GRU, both ways and at each step: what Keras's compute, with the same weights, masks of any form included."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import back_and_forth, copied, layers, noise, same

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS

SMALL = settings(max_examples=10, deadline=None)
KINDS = ["SimpleRNN", "LSTM", "GRU"]
STATES = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}


def both(name, *, training=False, mask=None, states=(), length=5, **options):
    """Compare one layer of 4 units on (3, length, 2) values."""
    x = noise(3, length, 2)

    def call(layer, values):
        begin = {"initial_state": list(values[1:])} if len(values) > 1 else {}
        return layer(values[0], mask=mask, training=training, **begin)

    masks = (mask, *[None] * len(states))
    keras = getattr(layers, name)(4, **options)
    return same(BLOCKS[name](4, **options), keras, x, *states, masks=masks, call=call, training=training)


@pytest.mark.parametrize("name", KINDS)
@SMALL
@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 5))
def test_plain(name, sequences, state, backwards, bias, begin, length):
    options = {"return_sequences": sequences, "return_state": state, "go_backwards": backwards, "use_bias": bias}
    states = [noise(3, 4, seed=9 + i) for i in range(STATES[name])] if begin else []
    both(name, states=states, length=length, **options)


@pytest.mark.parametrize("name", KINDS)
@SMALL
@given(
    st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=3, max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_masks_of_any_form(name, mask, sequences, state, backwards, begin):
    """Keras carries the state over a padded step and gives what it gave before; 0 before the first step."""
    options = {"return_sequences": sequences, "return_state": state, "go_backwards": backwards}
    states = [noise(3, 4, seed=9 + i) for i in range(STATES[name])] if begin else []
    both(name, states=states, mask=torch.tensor(mask), **options)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_other_activations_run_step_by_step(name, masked):
    mask = torch.tensor([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]).bool() if masked else None
    options = {"activation": "softsign", "return_sequences": True, "return_state": True}
    both(name, mask=mask, **options)
    if name != "SimpleRNN":
        both(name, mask=mask, **{**options, "activation": "tanh", "recurrent_activation": "hard_sigmoid"})
    if name == "GRU":
        both(name, mask=mask, **{**options, "reset_after": False})
        both(name, mask=mask, **{**options, "use_bias": False, "reset_after": False})


def test_a_rectified_simple_layer():
    both("SimpleRNN", activation="relu", return_sequences=True)


@pytest.mark.parametrize("name", KINDS)
def test_step_by_step_and_fused_agree(name):
    module = BLOCKS[name](4, return_sequences=True, return_state=True).build((6, 3))
    x = noise(2, 6, 3)
    start = tuple(noise(2, 4, seed=i) for i in range(STATES[name]))
    fused, ends = module.fused(x, start, None)
    slow, last = module._stepwise(x, start, None)
    torch.testing.assert_close(fused, slow)
    torch.testing.assert_close(ends, last)


@pytest.mark.parametrize("name", KINDS)
def test_one_draw_of_dropping_serves_all_steps(name):
    """With every recurrent weight 0, equal inputs give equal steps only if the same inputs are dropped at each."""
    module = BLOCKS[name](6, dropout=0.5, return_sequences=True).build((4, 8)).train()
    module.recurrent.data.zero_()
    x = torch.ones(3, 1, 8).expand(-1, 4, -1)
    torch.manual_seed(0)
    once, again = module(x), module(x)
    if name == "SimpleRNN":
        assert torch.allclose(once[:, 0], once[:, 3])
    assert not torch.allclose(once, again)
    assert torch.equal(module.eval()(x), module(x))


@pytest.mark.parametrize("name", KINDS)
def test_dropping_between_steps(name):
    """Nothing of the state is left at a rate near 1: each step is as the first."""
    module = BLOCKS[name](6, recurrent_dropout=1 - 1e-12, return_sequences=True).build((4, 8)).train()
    plain = BLOCKS[name](6, return_sequences=True).build((4, 8))
    plain.load_state_dict(module.state_dict())
    x = noise(3, 4, 8)
    if name == "SimpleRNN":
        torch.testing.assert_close(module(x)[:, 2], plain(x[:, 2:3])[:, 0])
    else:
        assert not torch.allclose(module(x), plain(x))
    torch.testing.assert_close(module.eval()(x), plain(x))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "return_state": True}, {"activation": "softsign"}])
def test_half_precision_after_a_layer_in_half_precision(name, options):
    mask = torch.tensor([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    module, x = BLOCKS[name](4, **options).build((5, 2)).train(), noise(3, 5, 2)
    for there in (None, mask):
        whole = module(x, mask=there)
        with torch.autocast("cpu", torch.bfloat16):
            half = module(x.bfloat16().requires_grad_(), mask=there)
        pairs = zip(half, whole, strict=True) if isinstance(half, tuple) else [(half, whole)]
        for one, two in pairs:
            torch.testing.assert_close(one.float(), two, rtol=0.05, atol=0.03)
            one.float().sum().backward(retain_graph=True)
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_padded_row_changes_nothing_for_the_others():
    module = BLOCKS["LSTM"](4).build((5, 2))
    x, mask = noise(3, 5, 2), torch.ones(3, 5, dtype=torch.bool)
    mask[1, 2:] = False
    found = module(x, mask=mask)
    torch.testing.assert_close(found[[0, 2]], module(x[[0, 2]]))
    torch.testing.assert_close(found[1], module(x[1:2, :2])[0])


def test_a_forget_gate_begins_open():
    assert BLOCKS["LSTM"](2).build((None, 3)).bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert not BLOCKS["LSTM"](2, unit_forget_bias=False).build((None, 3)).bias.any()


@pytest.mark.parametrize("join", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("name", KINDS)
def test_both_ways(name, join):
    mask = torch.tensor([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    for sequences in (False, True):
        inner = {"return_sequences": sequences, "return_state": join == "concat"}
        block = BLOCKS["Bidirectional"](BLOCKS[name](4, **inner), join)
        layer = layers.Bidirectional(getattr(layers, name)(4, **inner), merge_mode=join)
        x = noise(3, 5, 2)
        same(block, layer, x)
        same(block, layer, x, masks=(mask,), call=lambda keras, values: keras(values[0], mask=mask))


def test_both_ways_with_states_to_begin_with_and_another_layer_behind():
    states = [noise(3, 4, seed=i) for i in range(4)]
    block = BLOCKS["Bidirectional"](BLOCKS["LSTM"](4), "concat", BLOCKS["LSTM"](4, use_bias=False, go_backwards=True))
    layer = layers.Bidirectional(layers.LSTM(4), backward_layer=layers.LSTM(4, use_bias=False, go_backwards=True))
    same(block, layer, noise(3, 5, 2), *states, call=lambda k, v: k(v[0], initial_state=list(v[1:])))


def test_a_layer_at_each_step():
    same(BLOCKS["TimeDistributed"](BLOCKS["Dense"](3)), layers.TimeDistributed(layers.Dense(3)), noise(2, 4, 5))
    same(
        BLOCKS["TimeDistributed"](BLOCKS["Conv2D"](3, 2)),
        layers.TimeDistributed(layers.Conv2D(3, 2)),
        noise(2, 3, 4, 4, 2),
    )
    same(BLOCKS["TimeDistributed"](BLOCKS["Flatten"]()), layers.TimeDistributed(layers.Flatten()), noise(2, 3, 4, 2))
    nested = BLOCKS["TimeDistributed"](BLOCKS["LSTM"](3))
    same(nested, layers.TimeDistributed(layers.LSTM(3)), noise(2, 3, 4, 2))


def test_embedding_and_masks_that_travel():
    numbers = torch.tensor([[1, 2, 0], [3, 0, 0]])
    block = BLOCKS["Embedding"](5, 4, mask_zero=True)
    same(block, layers.Embedding(5, 4, mask_zero=True), numbers)
    module = block.build((3,))
    _, (mask,) = block.run(module, (numbers,), (None,), {})
    assert mask.tolist() == [[True, True, False], [True, False, False]]
    assert BLOCKS["Embedding"](5, 4).run(module, (numbers,), (None,), {})[1] == (None,)
    x = noise(2, 3, 4)
    x[0, 1] = 0
    same(BLOCKS["Masking"](), layers.Masking(), x)
    _, (mask,) = BLOCKS["Masking"]().run(BLOCKS["Masking"]().build((3, 4)), (x,), (None,), {})
    assert mask.tolist() == [[True, False, True], [True, True, True]]


@pytest.mark.parametrize(
    "name", ["Dense", "Conv1D", "Flatten", "Dropout", "LSTM", "LayerNormalization", "MaxPooling1D"]
)
def test_masks_are_passed_on_where_keras_does(name):
    options = {"Dense": (3,), "Conv1D": (3, 2), "Dropout": (0.5,), "LSTM": (3,)}.get(name, ())
    layer = getattr(layers, name)(*options)
    block, x, mask = BLOCKS[name](*options), noise(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    _, (found,) = block.run(block.build((4, 3)), (x,), (mask,), {})
    wanted = layer.compute_mask(x, mask) if layer.supports_masking else None
    assert (found is None) == (wanted is None)


def test_weights_are_named_as_in_keras():
    layer = layers.Bidirectional(layers.LSTM(3))
    layer(noise(1, 2, 2))
    copied(layer, BLOCKS["Bidirectional"](BLOCKS["LSTM"](3)).build((2, 2)))


@pytest.mark.parametrize(
    ("make", "shapes", "text"),
    [
        (lambda: BLOCKS["LSTM"](4), [(4,)], "it takes 3 axes, examples included; the shape received is (None, 4)"),
        (lambda: BLOCKS["LSTM"](4), [(4, 2), (4,)], "it takes 2 states of shape (None, 4); got (None, 4)"),
        (lambda: BLOCKS["GRU"](4, activation="thanh"), [], "there is no activation 'thanh'; did you mean 'tanh'?"),
        (lambda: BLOCKS["GRU"](4, dropout=1.5), [], "dropout must be at least 0 and below 1; got 1.5"),
        (lambda: BLOCKS["Bidirectional"](BLOCKS["Dense"](4)), [], "it takes a recurrent layer; got Dense"),
        (lambda: BLOCKS["Bidirectional"](BLOCKS["LSTM"](4), "plus"), [], "merge_mode must be one of 'concat'"),
        (
            lambda: BLOCKS["Bidirectional"](BLOCKS["LSTM"](4), "sum", BLOCKS["LSTM"](5, go_backwards=True)),
            [],
            "as many units",
        ),
        (lambda: BLOCKS["Bidirectional"](BLOCKS["LSTM"](4), "sum", BLOCKS["LSTM"](4)), [], "go_backwards=True"),
        (lambda: BLOCKS["TimeDistributed"](BLOCKS["Dense"](4)), [(3,)], "it takes steps"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make, shapes, text):
    with pytest.raises(ConfigError) as error:
        make().outcome(*shapes)
    assert text in str(error.value)


def test_written_and_read_again():
    block = BLOCKS["Bidirectional"](BLOCKS["GRU"](4, return_state=True), "sum")
    assert back_and_forth(block, [(5, 2)]).layers["layer"] == block
