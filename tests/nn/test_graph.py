"""A network as data: what it computes is what the layers compute, it is written and read without loss, and mistakes are named."""

import contextlib
import copy
import json
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.parity import layers, noise, weights

from deepwell.core.errors import BundleError, ConfigError, DataError
from deepwell.nn.blocks import BLOCKS
from deepwell.nn.graph import Graph, GraphNetwork, Input, Model, Node
from deepwell.nn.initialisers import HeNormal
from deepwell.nn.regularisers import L1L2, penalty

B = BLOCKS


def chain(shape, *blocks, dtype="float32"):
    """A graph of layers one after the other, named a, b, c ..."""
    names = [chr(ord("a") + i) for i in range(len(blocks))]
    nodes = tuple(Node(name, (i,)) for i, name in enumerate(names))
    return Graph((Input("x", shape, dtype),), dict(zip(names, blocks, strict=True)), nodes, {"y": len(blocks)})


def convnet():
    return chain(
        (12, 12, 1),
        B["Conv2D"](4, 3, activation="relu", kernel_initializer=HeNormal()),
        B["MaxPooling2D"](),
        B["Flatten"](),
        B["Dense"](6, activation="relu", kernel_regularizer=L1L2(l2=0.1)),
        B["Dense"](3, activation="softmax"),
    )


def test_the_network_of_layers_one_after_the_other_is_that_of_keras():
    network = GraphNetwork(convnet())
    model = layers.Input((12, 12, 1))
    made = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    made += [layers.Dense(6, activation="relu"), layers.Dense(3, activation="softmax")]
    x = noise(2, 12, 12, 1)
    theirs = x
    for layer in made:
        layer(theirs)
        theirs = layer(theirs)
    ours, others = list(weights(network)), [w for layer in made for w in layer.weights]
    for (weight, tensor), other in zip(ours, others, strict=True):
        weight.write(tensor, other.value.detach().numpy())
    for layer in made:
        x = layer(x)
    found, _ = network({"x": noise(2, 12, 12, 1)})
    torch.testing.assert_close(found["y"], x)
    torch.testing.assert_close(found["y.logits"].softmax(-1), x)
    assert sum(t.numel() for _, t in ours) == 40 + 606 + 21
    assert model.shape == (None, 12, 12, 1)


def test_written_and_read_again():
    graph = convnet()
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert again == graph
    assert again.shapes[-1] == (3,)
    assert again.ends == {"y": "softmax"}


def test_a_layer_that_is_called_twice_shares_its_weights():
    both = (Input("one", (3,)), Input("two", (3,)))
    nodes = (Node("shared", (0,)), Node("shared", (1,)), Node("join", (2, 3)))
    graph = Graph(both, {"shared": B["Dense"](4), "join": B["Subtract"]()}, nodes, {"y": 4})
    network = GraphNetwork(graph)
    assert len(list(network.parameters())) == 2
    x = noise(2, 3)
    found, _ = network({"one": x, "two": x})
    assert not found["y"].any()


def test_masks_travel_from_the_embedding_to_the_output():
    graph = chain(
        (None,),
        B["Embedding"](9, 4, mask_zero=True),
        B["Dropout"](0.1),
        B["LSTM"](3, return_sequences=True),
        dtype="int32",
    )
    network = GraphNetwork(graph).eval()
    numbers = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 0]])
    found, _ = network({"x": numbers})
    assert torch.equal(found["y.mask"], numbers != 0)
    torch.testing.assert_close(found["y"][0, 1], found["y"][0, 3])
    short, _ = network({"x": numbers[:, :3]})
    torch.testing.assert_close(short["y"], found["y"][:, :3])


def test_several_outputs_and_states_between_layers():
    graph = Graph(
        (Input("x", (None, 2)), Input("z", (None, 2))),
        {"encoder": B["LSTM"](3, return_state=True), "decoder": B["LSTM"](3), "sign": B["Dense"](1, "sigmoid")},
        (Node("encoder", (0,)), Node("decoder", (1, 3, 4)), Node("sign", (5,))),
        {"last": 2, "chance": 6},
    )
    found, _ = GraphNetwork(graph)({"x": noise(2, 5, 2), "z": noise(2, 4, 2)})
    assert set(found) == {"last", "chance", "chance.logits"}
    torch.testing.assert_close(found["chance.logits"].sigmoid(), found["chance"])
    assert graph.ends == {"last": "", "chance": "sigmoid"}


def test_calls_may_say_more():
    look = {"use_causal_mask": True, "return_attention_scores": True, "attention_mask": True}
    graph = Graph(
        (Input("x", (4, 6)), Input("look", (4, 4))),
        {"heads": B["MultiHeadAttention"](2, 3)},
        (Node("heads", (0, 0, 1), arguments=look),),
        {"y": 2, "seen": 3},
    )
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph
    assert graph.shapes[2:] == [(4, 6), (2, 4, 4)]
    seen, _ = GraphNetwork(graph)({"x": noise(2, 4, 6), "look": torch.ones(2, 4, 4)})
    assert not seen["seen"].triu(1).any()


def test_one_call_may_stand_as_at_prediction():
    layer = {"drop": B["Dropout"](0.5)}
    graph = Graph(
        (Input("x", (50,)),), layer, (Node("drop", (0,), False), Node("drop", (0,))), {"still": 1, "noisy": 2}
    )
    network = GraphNetwork(graph).train()
    found, _ = network({"x": torch.ones(2, 50)})
    assert found["still"].eq(1).all()
    assert found["noisy"].eq(0).any()
    assert network.layer("drop").training


def test_a_network_within_a_network():
    inner = chain((4,), B["Dense"](3, "tanh"), B["BatchNormalization"]())
    graph = Graph(
        (Input("x", (4,)),),
        {"body": Model(inner), "head": B["Dense"](2, "softmax")},
        (Node("body", (0,)), Node("head", (1,))),
        {"y": 2},
        ("body",),
    )
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert again == graph
    network = GraphNetwork(graph)
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {"layers.1.weight", "layers.1.bias"}
    before = copy.deepcopy(network.layer("body").state_dict())
    x = noise(8, 4)
    found, _ = network.train()({"x": x})
    found["y.logits"].square().sum().backward()
    assert all(torch.equal(before[name], now) for name, now in network.layer("body").state_dict().items())
    (body,), _ = network.layer("body").run((x,), (None,))
    torch.testing.assert_close(network.layer("head")(body), found["y"])
    with pytest.raises(ConfigError, match=r"'body' \(Model\): its input 'x' has the shape \(None, 4\)"):
        Graph((Input("x", (5,)),), {"body": Model(inner)}, (Node("body", (0,)),), {"y": 1})


def test_modules_that_are_there_already_are_taken():
    graph = convnet()
    first = GraphNetwork(graph)
    second = GraphNetwork(graph, {"d": first.layer("d")})
    assert second.layer("d") is first.layer("d")
    assert second.layer("e") is not first.layer("e")


def test_inputs_are_cast_to_what_the_network_wants():
    found, _ = GraphNetwork(chain((3,), B["Rescaling"](1 / 255)))({"x": torch.full((1, 3), 255, dtype=torch.uint8)})
    torch.testing.assert_close(found["y"], torch.ones(1, 3))
    found, _ = GraphNetwork(chain((2,), B["Embedding"](5, 2), dtype="int32"))({"x": torch.tensor([[1.0, 4.0]])})
    assert found["y"].shape == (1, 2, 2)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_relu_that_waits_for_the_pooling_changes_nothing(padding):
    """In training the order is another one; bits and gradients are the same, ties included."""
    graph = chain((9, 9, 2), B["Conv2D"](3, 2, activation="relu"), B["MaxPooling2D"](2, padding=padding))
    network = GraphNetwork(graph)
    network.layer("a").bias.data[0] = -9.0  # nothing of the first channel is above 0
    seen = []
    for mode in (True, False):
        network.train(mode).zero_grad()
        x = noise(4, 9, 9, 2).round().requires_grad_()
        found, _ = network({"x": x})
        (found["y"] * noise(*found["y"].shape)).sum().backward()
        seen.append([found["y"], x.grad, *(p.grad for p in network.parameters())])
    assert all(torch.equal(one, two) for one, two in zip(*seen, strict=True))
    assert not seen[0][0][..., 0].any()


def test_values_that_nobody_reads_any_more_are_let_go():
    """At prediction a deep network needs no more memory than its widest step."""
    seen = []

    class Watch(torch.nn.Module):
        def forward(self, x):
            seen.append(weakref.ref(x))
            return x + 1

    names = [chr(ord("a") + i) for i in range(4)]
    graph = chain((3,), *[B["Identity"]()] * 4)
    with torch.no_grad():
        network = GraphNetwork(graph, {name: Watch() for name in names})
        found, _ = network({"x": torch.zeros(2, 3)})
        assert found["y"].eq(4).all()
    assert [ref() is None for ref in seen[1:]] == [True] * 3
    held = []
    network.layers["3"].register_forward_pre_hook(lambda *_: held.extend(ref() is None for ref in seen[-2:]))
    network({"x": torch.zeros(2, 3)})
    assert held == [True, True]


def test_a_relu_that_others_read_does_not_wait():
    nodes = (Node("a", (0,)), Node("b", (1,)))
    layers = {"a": B["Conv2D"](3, 2, activation="relu"), "b": B["MaxPooling2D"]()}
    graph = Graph((Input("x", (6, 6, 1)),), layers, nodes, {"y": 2, "map": 1})
    found, _ = GraphNetwork(graph).train()({"x": noise(2, 6, 6, 1)})
    assert (found["map"] >= 0).all()


def test_penalties_of_all_layers_add_up():
    network = GraphNetwork(convnet())
    wanted = 0.1 * network.layer("d").weight.square().sum()
    torch.testing.assert_close(penalty(network), wanted)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=3), st.sampled_from([(6,), (6, 4), (8, 8, 4)]))
def test_either_a_network_runs_with_the_shapes_it_says_or_it_is_refused_in_words(names, shape):
    options = {
        "Dense": (4,), "Embedding": (9, 2), "Activation": ("relu",), "Reshape": ((-1,),), "Permute": ((1,),),
        "RepeatVector": (2,), "Resizing": (4, 4), "Dropout": (0.1,), "SpatialDropout1D": (0.1,), "SpatialDropout2D": (0.1,),
        "GaussianNoise": (0.1,),
        "GaussianDropout": (0.1,), "RandomRotation": (0.1,), "RandomTranslation": (0.1, 0.1), "RandomZoom": (0.1,), "Dot": (1,),
        "Rescaling": (0.5,), "SimpleRNN": (3,), "LSTM": (3,), "GRU": (3,), "Bidirectional": (B["GRU"](2),),
        "TimeDistributed": (B["Dense"](3),), "MultiHeadAttention": (2, 2), "GroupNormalization": (2,),
    }  # fmt: skip
    windows = {name: (2, 2) for name in BLOCKS if "Conv" in name and "Depthwise" not in name}
    windows |= {name: (2,) for name in BLOCKS if "DepthwiseConv" in name}
    chosen = [BLOCKS[name](*({**options, **windows}).get(name, ())) for name in names]
    try:
        graph = chain(shape, *chosen)
    except ConfigError as error:
        said = error.what
    else:
        said = ""
    if said:
        assert "the layer '" in said
        return
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph
    network, x = GraphNetwork(graph).eval(), noise(2, *shape).abs()
    if "Embedding" in names[1:]:  # what a layer before it gives may be negative
        with contextlib.suppress(DataError):
            network.run((x,), (None,))
        return
    (found,), _ = network.run((x,), (None,))
    assert tuple(found.shape[1:]) == graph.shapes[-1]


# Mistakes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: chain((3,), B["Conv2D"](4, 3)), "the layer 'a' (Conv2D): it takes 4 axes, examples included"),
        (lambda: chain((3,), B["Add"]()), "the layer 'a' (Add) takes 2 or more values; got 1"),
        (lambda: Graph((Input("x", (3,)),), {}, (Node("dense", (0,)),), {"y": 1}), "there is no layer 'dense'"),
        (lambda: Graph((Input("x", (3,)),), {"d": B["Dense"](2)}, (Node("d", (7,)),), {"y": 1}), "reads the value 7"),
        (lambda: Graph((Input("x", (3,)),), {"d": B["Dense"](2)}, (Node("d", (0,)),), {"y": 5}), "there is no value 5"),
        (lambda: Graph((), {}, (), {}), "at least one input and one output"),
        (
            lambda: Graph(
                (Input("x", (3,)),), {"d": B["Dense"](2)}, (Node("d", (0,), arguments={"causal": True}),), {"y": 1}
            ),
            "the layer 'd' (Dense): a call takes no argument 'causal'",
        ),
    ],
)
def test_mistakes_are_named(make, text):
    with pytest.raises(ConfigError) as error:
        make()
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: v["layers"]["d"].update({"is": "Dens"}), "there is no layer 'Dens'; did you mean 'Dense'?"),
        (lambda v: v["layers"]["d"].update({"is": "os.system"}), "there is no layer 'os.system'"),
        (lambda v: v["layers"]["d"].update(units=-1), "units must be a whole number above 0; got -1"),
        (lambda v: v["layers"]["d"].update(units=True), "Dense.units cannot be True"),
        (lambda v: v["layers"]["d"].update(units=2.5), "Dense.units cannot be 2.5"),
        (lambda v: v["layers"]["d"].update(more=1), "Dense must have exactly the entries"),
        (lambda v: v["layers"]["d"].pop("units"), "Dense must have exactly the entries"),
        (lambda v: v["layers"]["d"].update(kernel_initializer={"is": "Dense"}), "must have exactly the entries"),
        (lambda v: v["nodes"][0].update(values=["0"]), "Node.values cannot be"),
        (lambda v: v.update(outputs={"y": "4"}), "outputs must be numbers of values"),
        (lambda v: v.update(nodes=v["nodes"] * 2500), "at most 10,000"),
        (lambda v: v.pop("frozen"), "it must have exactly the entries"),
    ],
)
def test_a_damaged_description_is_refused(change, text):
    value = json.loads(json.dumps(convnet().to_json()))
    change(value)
    with pytest.raises(BundleError) as error:
        Graph.from_json(value)
    assert text in str(error.value)


def test_networks_within_networks_without_end_are_refused():
    value = chain((3,), B["Dense"](3)).to_json()
    for _ in range(60):
        value = {**value, "layers": {"a": {"is": "Model", "graph": {"is": "Graph", **value}}}}
    with pytest.raises(BundleError, match="more than 50 deep"):
        Graph.from_json(value)


def test_code_of_ones_own_is_not_written():
    class Mine(B["Identity"]):
        pass

    with pytest.raises(ConfigError, match="the layer 'a' is of type Mine, which is code of your own"):
        chain((3,), Mine()).to_json()
