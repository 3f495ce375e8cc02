"""What a critic sees changed: pictures moved and lightened, each in its own way, with gradients that go through."""

import torch

from deepwell.training.augmentation_critic import LIGHT, changed


def test_a_picture_is_moved_by_whole_pixels_and_all_of_it_lightened_alike():
    torch.manual_seed(0)
    pictures = torch.randn(1, 1, 8, 8).expand(80, 1, 8, 8)
    found, places = changed(pictures), set()
    for one, other in zip(pictures[:, 0], found[:, 0], strict=True):
        apart = {
            (y, x): other[2:6, 2:6] - one[2 - y : 6 - y, 2 - x : 6 - x] for y in (-1, 0, 1) for x in (-1, 0, 1)
        }  # by an eighth of the side either way
        moves = {move: light for move, light in apart.items() if light.std() < 1e-5}
        assert len(moves) == 1
        assert abs(next(iter(moves.values())).mean()) <= LIGHT
        places |= set(moves)
    assert len(places) == 9


def test_gradients_go_through_to_the_places_they_came_from():
    torch.manual_seed(1)
    pictures = torch.randn(3, 2, 6, 5, requires_grad=True)
    changed(pictures).sum().backward()
    assert torch.allclose(pictures.grad.sum((1, 2, 3)), torch.full((3,), 60.0))


def test_draws_follow_from_the_seed():
    pictures = torch.randn(4, 1, 8, 8)
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(changed(pictures))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
