"""Networks in torch: layers/ (one idea per file), networks/ (whole architectures), and the Runner over them.

Every network is an `nn.Module` with named calls of one signature, `call(arrays, state=None) -> (arrays, state)`, where
`arrays` is a dict of tensors. Module code is plain single-device maths; device, precision and layout come from outside.
"""
