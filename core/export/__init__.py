"""A trained model as ONNX: translated, checked against PyTorch, quantised, packed with what is needed to use it.

`core.export.session` runs such a file without torch.
"""
