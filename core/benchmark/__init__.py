"""What it costs to run a model: time, memory, bytes, and the accuracy of the very file that was timed.

`latency` times networks alone; `run` measures artefacts (a model in a runtime) from a picture's bytes to its logits.
"""
