"""Sizes: how many weights a language network holds and what a token costs, known before it is built.

Legend: T places, S places of the source, W width, V vocabulary. A multiply-add is two operations. Forward only: a training step
is three times as much.
"""

from __future__ import annotations

from deepwell.nn.layers import token_grams, transformer
from deepwell.nn.layers.pointer import pointer_multiplications, pointer_parameters
from deepwell.nn.layers.token_grams import GramShape
from deepwell.nn.layers.transformer import TransformerShape


def decoder_parameters(
    vocabulary: int, shape: TransformerShape, grams: GramShape | None = None, tied: bool = True
) -> int:
    """Weights of a Decoder."""
    tables = vocabulary * shape.width * (1 if tied else 2)
    if grams:
        tables += token_grams.gram_parameters(grams, shape.width)
    return tables + transformer.parameters(shape)


def decoder_multiplications(
    vocabulary: int, shape: TransformerShape, length: int, grams: GramShape | None = None
) -> float:
    """Multiply-adds per token of a Decoder over windows of `length` tokens, what lies ahead not counted."""
    mixed = token_grams.gram_multiplications(grams, shape.width) if grams else 0
    return mixed + transformer.multiplications(shape, (length + 1) / 2) + vocabulary * shape.width


def encoder_decoder_parameters(
    source: int,
    target: int,
    encoder: TransformerShape,
    decoder: TransformerShape,
    tied: bool = True,
    pointer: bool = False,
) -> int:
    """Weights of an EncoderDecoder."""
    tables = target if tied else source + 2 * target
    blocks = transformer.parameters(encoder) + transformer.parameters(decoder, cross=True)
    return tables * decoder.width + blocks + (pointer_parameters(decoder.width) if pointer else 0)


def encoder_decoder_multiplications(
    vocabulary: int,
    encoder: TransformerShape,
    decoder: TransformerShape,
    source: int,
    target: int,
    pointer: bool = False,
) -> float:
    """Multiply-adds of an EncoderDecoder for one pair of `source` and `target` tokens, what lies ahead not counted.

    vocabulary: of the target.
    """
    read = transformer.multiplications(encoder, source) + transformer.remembering(decoder)
    written = transformer.multiplications(decoder, (target + 1) / 2, source) + vocabulary * decoder.width
    copied = pointer_multiplications(decoder.width, source, target) if pointer else 0
    return source * read + target * written + copied
