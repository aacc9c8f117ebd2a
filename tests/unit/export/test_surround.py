"""The ends of an exported graph give a network its input from pictures of any bands and depth, and cut its answer."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.export.surround import add_ends

RANDOM = np.random.default_rng(0)


def network(weights: NDArray[np.float32]) -> onnx.ModelProto:
    """A 1 x 1 convolution: normalised (n, D, h, w) → (n, C, h, w)."""
    shapes = [(name, ["n", count, "h", "w"]) for name, count in zip("xy", weights.shape[::-1], strict=True)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    kernel = numpy_helper.from_array(weights[..., None, None], "kernel")
    graph = helper.make_graph([helper.make_node("Conv", ["x", "kernel"], ["y"])], "net", ends[:1], ends[1:], [kernel])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("multiple", [1, 16])
@pytest.mark.parametrize(("bands", "depth"), [(1, "uint8"), (3, "uint8"), (4, "uint16"), (16, "float32")])
def test_a_picture_as_it_is_stored_is_normalised_band_by_band(bands: int, depth: str, multiple: int) -> None:
    weights = RANDOM.normal(size=(2, bands)).astype(np.float32)
    mean, std = (RANDOM.uniform(20, 90, bands) for _ in range(2))
    ends = {"mean": mean, "std": std, "multiple": multiple, "outputs": 2, "depth": depth}
    images = RANDOM.uniform(0, 250, (2, 13, 21, bands)).astype(depth)
    expected = np.einsum("nhwd,cd->nchw", (images - mean) / std, weights)
    for argmax in (False, True):
        made = add_ends(network(weights), argmax=argmax, **ends)
        onnx.checker.check_model(made, full_check=True)
        found = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"image": images})[0]
        if argmax:
            assert np.array_equal(found, expected.argmax(axis=1))
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
