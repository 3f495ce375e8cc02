"""Work that is saved changes nothing of what comes out: values and gradients are those of layer after layer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import noise

from deepwell.core.errors import ConfigError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.graph import Graph, GraphNetwork, Input, Node
from deepwell.nn.shortcuts import cuts

B = BLOCKS


def chain(shape, *blocks):
    names = [f"l{i}" for i in range(len(blocks))]
    nodes = tuple(Node(name, (i,)) for i, name in enumerate(names))
    return Graph((Input("x", shape),), dict(zip(names, blocks, strict=True)), nodes, {"y": len(blocks)})


def by_hand(network, x):
    """Layer after layer, each in full."""
    for node in network.graph.nodes:
        x = network.layer(node.layer)(x)
    return x


def gradients(network, value):
    network.zero_grad()
    value.square().sum().backward()
    return [p.grad.clone() for p in network.parameters()]


def classic():
    return (
        B["Conv2D"](4, 3, activation="relu"),
        B["MaxPooling2D"](2),
        B["Conv2D"](6, 3, activation="relu"),
        B["MaxPooling2D"](2),
        B["Conv2D"](5, 3, activation="relu"),
        B["Flatten"](),
    )


def test_the_classic_network_reads_26_of_28_pixels():
    """Worked out by hand: 5 x 5 windows of 2 are 10, of 3 x 3 before it 12, of 2 before it 24, of 3 x 3 before it 26."""
    assert cuts(chain((28, 28, 1), *classic())) == {0: (26, 26)}
    assert cuts(chain((26, 26, 1), *classic())) == {}


def test_little_is_not_cut():
    assert cuts(chain((102, 102, 3), B["Conv2D"](4, 3), B["MaxPooling2D"](2), B["Conv2D"](4, 2, strides=2))) == {}


@pytest.mark.parametrize(("outputs", "cut"), [({"y": 2}, {0: (8, 8)}), ({"y": 2, "z": 1}, {}), ({"y": 2, "z": 3}, {})])
def test_what_comes_out_or_is_read_in_full_is_computed_in_full(outputs, cut):
    """A pooling by 3 alone reads 6 x 6 of 7 x 7 windows of 3 x 3, so 8 x 8 of 9 x 9 pixels."""
    blocks = {"a": B["Conv2D"](2, 3), "b": B["MaxPooling2D"](3), "c": B["Flatten"]()}
    nodes = (Node("a", (0,)), Node("b", (1,)), *([Node("c", (1,))] if 3 in outputs.values() else []))
    graph = Graph((Input("x", (9, 9, 1)),), blocks, nodes, outputs)
    assert cuts(graph) == cut
    network, x = GraphNetwork(graph), noise(2, 9, 9, 1)
    values, _ = network({"x": x})
    convolved = network.layer("a")(x)
    torch.testing.assert_close(values["y"], network.layer("b")(convolved))
    if "z" in outputs:
        torch.testing.assert_close(values["z"].flatten(), convolved.flatten())


@pytest.mark.parametrize("training", [True, False])
def test_the_classic_network_gives_the_same_values_and_gradients(training):
    network = GraphNetwork(chain((28, 28, 1), *classic())).train(training)
    x = noise(3, 28, 28, 1)
    found, wanted = network({"x": x})[0]["y"], by_hand(network, x)
    torch.testing.assert_close(found, wanted)
    for ours, theirs in zip(gradients(network, found), gradients(network, wanted), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [20, 27, 29, 40])
def test_other_sizes_than_declared_are_computed_in_full(side):
    blocks = [*classic()[:-1], B["GlobalAveragePooling2D"]()]
    network, x = GraphNetwork(chain((28, 28, 1), *blocks)), noise(2, side, side, 1)
    torch.testing.assert_close(network({"x": x})[0]["y"], by_hand(network, x))


@pytest.mark.parametrize("shape", [(28, 28, 3), (20, 20, 1), (28, 1)])
def test_a_shape_that_cannot_be_computed_is_named(shape):
    network = GraphNetwork(chain((28, 28, 1), *classic(), B["Dense"](3)))
    with pytest.raises(
        ConfigError, match=r"the layer 'l0': the input 'x' takes \(None, 28, 28, 1\); the shape received"
    ):
        network.run((noise(2, *shape),), (None,))


def test_whoever_listens_hears_each_layer_as_it_is():
    network, heard = GraphNetwork(chain((28, 28, 1), *classic())), []
    for key in ("l0", "l1"):
        network.layer(key).register_forward_hook(lambda module, given, out: heard.append(out.detach()))
    x = noise(1, 28, 28, 1)
    found = network({"x": x})[0]["y"]
    assert [float(out.min()) >= 0 for out in heard] == [True, True]
    torch.testing.assert_close(found, by_hand(network, x))


WINDOWS = st.one_of(
    st.builds(
        B["Conv2D"],
        filters=st.integers(1, 3),
        kernel_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        strides=st.integers(1, 3),
        padding=st.sampled_from(["valid", "valid", "same"]),
        activation=st.sampled_from(["relu", "tanh", "softmax"]),
    ),
    st.builds(B["Conv2D"], filters=st.just(2), kernel_size=st.just(2), dilation_rate=st.integers(1, 2)),
    st.builds(B["DepthwiseConv2D"], kernel_size=st.integers(1, 3), strides=st.integers(1, 2)),
    st.builds(B["SeparableConv2D"], filters=st.just(2), kernel_size=st.integers(1, 3), strides=st.integers(1, 2)),
    st.builds(
        B["MaxPooling2D"],
        pool_size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        strides=st.sampled_from([None, 1, 2]),
        padding=st.sampled_from(["valid", "valid", "same"]),
    ),
    st.builds(B["AveragePooling2D"], pool_size=st.integers(1, 3)),
    st.just(B["Activation"]("tanh")),
    st.just(B["ZeroPadding2D"](1)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WINDOWS, min_size=1, max_size=4), st.integers(14, 20), st.integers(14, 20))
def test_any_chain_of_windows_gives_the_same_values_and_gradients(blocks, height, width):
    try:
        graph = chain((height, width, 2), *blocks, B["Flatten"]())
    except ConfigError:  # a window that does not fit
        return
    network = GraphNetwork(graph)
    x = noise(2, height, width, 2)
    found, wanted = network({"x": x})[0]["y"], by_hand(network, x)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    if list(network.parameters()):
        for ours, theirs in zip(gradients(network, found), gradients(network, wanted), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
