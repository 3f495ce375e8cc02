"""Whole architectures, made of layers. Plain maths: device, precision and compilation come from outside."""
