"""OddPictures: sizes, maps, and that what is changed in a picture shows on the map."""

import pytest
import torch

from deepwell.nn.networks.odd_pictures import OddPictures


@pytest.mark.parametrize("way", ["reconstruction", "one_class"])
@pytest.mark.parametrize("size", [(1, 28, 28), (3, 20, 37), (1, 8, 8), (3, 4, 4)])
def test_maps_have_the_size_of_the_picture_and_the_score_as_mean(way, size):
    torch.manual_seed(0)
    made = OddPictures("photo", size, 4, way, 6).eval()
    found, _ = made({"photo": torch.randint(0, 256, (3, *size), dtype=torch.uint8)})
    assert found["map"].shape == (3, *size[1:])
    assert torch.allclose(found["map"].mean((1, 2)), found["score"], rtol=1e-4)
    assert found["expected"].shape == (3, *size)
    assert torch.isfinite(found["nats"]).all()


def test_after_training_a_spot_is_found_where_it_is():
    torch.manual_seed(0)
    draws = torch.Generator().manual_seed(1)
    stripes = (torch.arange(16) % 4 < 2).float() * 200
    pictures = (stripes.expand(32, 1, 16, 16) * torch.rand(32, 1, 1, 1, generator=draws)).to(torch.uint8)
    made = OddPictures("photo", (1, 16, 16), 4, "reconstruction", 4)
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    for _ in range(80):
        loss = made({"photo": pictures})[0]["nats"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    spoilt = pictures[:8].clone()
    spoilt[:, :, 10:13, 2:5] = 255 - spoilt[:, :, 10:13, 2:5]
    usual, odd = (made.eval()({"photo": p})[0] for p in (pictures[:8], spoilt))
    assert (odd["score"] > 2 * usual["score"]).all()
    places = odd["map"].flatten(1).argmax(1)
    assert ((places // 16 >= 10) & (places // 16 < 13) & (places % 16 >= 2) & (places % 16 < 5)).all()
