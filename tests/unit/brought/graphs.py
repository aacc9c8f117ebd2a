"""Models from outside, made by the libraries that people make them with: small, of random weights."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from tests.unit.networks import noise

NAMES = ("building", "road", "tree")
Shape = Sequence[int | str]


def tiny_network(classes: int = 3, *, head: str | None = None) -> nn.Module:
    """A few convolutions at half the side whose classes all occur, with an activation at their end."""
    torch.manual_seed(0)
    last = nn.Conv2d(8, classes, 3, padding=1)
    body = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), last, nn.UpsamplingBilinear2d(scale_factor=2)]
    with torch.no_grad():
        logits = nn.Sequential(*body)(noise()).transpose(0, 1).flatten(1)
        last.bias.sub_(logits.mean(dim=1)).div_(logits.std(dim=1))
        last.weight.div_(logits.std(dim=1).view(-1, 1, 1, 1))
    ends = {"softmax": [nn.Softmax(dim=1)], "sigmoid": [nn.Sigmoid()], None: []}[head]
    return nn.Sequential(*body, *ends).eval()


def exported(
    path: Path,
    network: nn.Module,
    *,
    side: int | None = 64,
    metadata: dict[str, object] | None = None,
    source: str = "image",
) -> Path:
    """An ONNX file by PyTorch's own exporter, for squares of `side` pixels, or for any size."""
    sizes = None if side else {0: "n", 2: "h", 3: "w"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, side or 64, side or 64),),
            path,
            dynamo=False,
            opset_version=20,
            input_names=[source],
            output_names=["scores"],
            dynamic_axes=None if sizes is None else {source: sizes, "scores": sizes},
        )
    if metadata:
        model = onnx.load(path)
        helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
        onnx.save(model, path)
    return path


def graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    source: Shape = (1, 3, 32, 32),
    result: Shape | None = (1, 3, 32, 32),
    kind: int = TensorProto.FLOAT,
    gives: int = TensorProto.FLOAT,
    weights: Sequence[onnx.TensorProto] = (),
    domains: Sequence[str] = (),
) -> Path:
    """An ONNX file of these nodes, from `x` to `y`."""
    made = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("x", kind, list(source))],
        [helper.make_tensor_value_info("y", gives, None if result is None else list(result))],
        list(weights),
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    path.write_bytes(helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def bright(path: Path, **options: object) -> Path:
    """A graph that tells how red, green or blue a pixel is: 0.02 times each band."""
    scale = numpy_helper.from_array(np.array(0.02, np.float32), "scale")
    nodes = [helper.make_node("Mul", ["x", "scale"], ["y"])]
    return graph(path, nodes, weights=[scale], **options)  # type: ignore[arg-type]


def picture(side: int = 64, *, seed: int = 0) -> np.ndarray:
    """uint8 (side, side, 3), rough and smooth."""
    rng = np.random.default_rng(seed)
    small = torch.from_numpy(rng.uniform(0, 255, (1, 3, 6, 6)).astype(np.float32))
    smooth = nn.functional.interpolate(small, size=(side, side), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def batch(image: np.ndarray) -> Tensor:
    """(1, 3, H, W), bytes as floats."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()
