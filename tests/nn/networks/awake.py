"""Networks begin as the identity, which would hide mistakes: `awake` gives every weight a value as after some training."""

import torch


def awake(network):
    """The network with numbers in the matrices that begin as zeros."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return network
