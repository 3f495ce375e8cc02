"""Decoding: from next-token scores to tokens, in numpy over any Runner."""
