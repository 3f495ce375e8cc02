"""Names that a module of the door does not have: the nearest that it has, and for some of Keras's what to do instead."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from deepwell.core.errors import nearest

INSTEAD = {
    "Ftrl": "Adam or SGD(momentum=0.9) train the same models; Lion needs less memory",
    "LossScaleOptimizer": "bfloat16 needs no scaling: give the optimizer itself",
    "Adafactor": "AdamW; Lion needs less memory",
    "plot_model": "model.summary() shows layers, shapes and what is connected to what",
    "model_to_dot": "model.summary() shows layers, shapes and what is connected to what",
    "image_dataset_from_directory": "deepwell.train('folder/') reads folders of pictures; np.stack puts pictures into an array",
    "text_dataset_from_directory": "deepwell.train('folder/') reads folders of texts",
    "timeseries_dataset_from_array": "np.lib.stride_tricks.sliding_window_view(x, length, axis=0) gives the windows",
    "audio_dataset_from_directory": "deepwell.train('folder/') reads folders of sounds",
    "Sequence": "put the batches into one array; a np.memmap need not fit into memory",
    "PyDataset": "put the batches into one array; a np.memmap need not fit into memory",
    "load_img": "np.asarray(PIL.Image.open(path))",
    "img_to_array": "np.asarray(picture, 'float32')",
    "array_to_img": "PIL.Image.fromarray(array)",
    "save_img": "PIL.Image.fromarray(array).save(path)",
    "custom_object_scope": "a sealed model holds no code: nothing has to be known by name when it is loaded",
    "get_custom_objects": "a sealed model holds no code: nothing has to be known by name when it is loaded",
    "enable_interactive_logging": "fit(verbose=1) draws a bar, 2 writes lines, 0 writes nothing",
    "disable_interactive_logging": "fit(verbose=0) writes nothing",
    "RemoteMonitor": "subclass Callback and send what on_epoch_end is given",
    "SwapEMAWeights": "deepwell.train averages weights (--set ema=0.05)",
    "CTC": "torch.nn.functional.ctc_loss within a function (y_true, y_pred)",
    "MeanRelativeError": "a function (y_true, y_pred) is a metric too",
    "image": "deepwell.train('folder/') reads folders of pictures; a custom Layer's call can change pictures in training",
    "text": "deepwell.train reads texts; fit takes the numbers of words, which collections.Counter can give out",
    "ImageDataGenerator": "a custom Layer's call(x, training=False) can change pictures; deepwell.train reads folders of them",
    "constraints": "use a regularizer, or put the rule into a custom Layer's call",
    "applications": "a torch module, such as a network of torchvision, is a layer: layers.TorchLayer(module)",
    "mixed_precision": "training takes bfloat16 by itself where it gains; compile(plan={'precision': 'float32'}) forbids it",
    "config": "keras.backend has floatx, epsilon and image_data_format",
    "distribution": "one machine trains; the device is chosen by itself",
    "quantizers": "models are stored and run in float32",
    "dtype_policies": "training takes bfloat16 by itself where this machine gains from it",
    "fori_loop": "a Python `for` within a custom Layer's call",
    "while_loop": "a Python `while` within a custom Layer's call",
    "cond": "ops.where, or a Python `if` within a custom Layer's call",
    "scan": "a Python `for` within a custom Layer's call; layers.LSTM and its like for recurrences",
    "vectorized_map": "torch.vmap",
}
"""Names of Keras that there are none of -> what to do instead."""


def finder(module: str, names: Sequence[str], beside: str = "") -> Callable[[str], Any]:
    """A module's `__getattr__`: it always raises, an AttributeError that says the nearest of the names and what to do instead.

    beside: a library whose functions do as well, for names that only it has.
    """

    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        told = instead(name, names)
        if beside and name not in INSTEAD and hasattr(importlib.import_module(beside), name):
            told = f"\n  repair: {beside}.{name} takes the same tensors"
        raise AttributeError(f"keras.{module} has no {name!r}{told}")

    return missing


def instead(name: str, names: Sequence[str]) -> str:
    """What to do instead, or the nearest of the names; empty where there is neither."""
    return f"\n  repair: {INSTEAD[name]}" if name in INSTEAD else nearest(name, names)
