"""Both sides of the pooling rows do the same work and give the same numbers."""

import torch

from benchmarks import places_pooling


def test_both_sides_pool_alike():
    for shape in places_pooling.SHAPES[:3]:
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).bfloat16()
        assert torch.equal(places_pooling.halved(x), places_pooling.usual(x))


def test_the_network_that_is_cut_gives_the_same_numbers():
    network, x = places_pooling.classic(), torch.rand(2, 28, 28, 1)
    assert network.cuts
    found = network({"x": x})[0]["y"]
    network.cuts = {}
    torch.testing.assert_close(found, network({"x": x})[0]["y"])


def test_every_side_runs(monkeypatch):
    monkeypatch.setattr(places_pooling, "ROUNDS", 1)
    shape = (2, 6, 6, 8)
    sides = [*places_pooling.there_and_back(shape), *places_pooling.there(shape)]
    assert [side() for side in sides] == [2] * 4
    assert [side() for side in places_pooling.cut()] == [64, 64]
