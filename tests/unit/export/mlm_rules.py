"""What the extension MLM 1.5 asks of an item that describes a model, as a JSON Schema of our own.

Written from the tables of the extension's description (github.com/stac-extensions/mlm, README.md, v1.5.0), because no
package carries its schema: what is required, of which type, and which words may stand where.
"""

from typing import Any

_TASKS = [
    *("regression", "classification", "scene-classification", "detection", "object-detection", "segmentation"),
    *("semantic-segmentation", "instance-segmentation", "panoptic-segmentation", "similarity-search"),
    *("generative", "image-captioning", "super-resolution"),
]
_FRAMEWORKS = [
    *("PyTorch", "TensorFlow", "scikit-learn", "Hugging Face", "Keras", "ONNX", "rgee", "spatialRF", "JAX", "MXNet"),
    *("Caffe", "PyMC", "Weka", "Paddle"),
]
_TYPES = [
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
    *("cint16", "cint32", "cfloat32", "cfloat64", "other"),
]
_ACCELERATORS = ["amd64", "cuda", "xla", "amd-rocm", "intel-ipex-cpu", "intel-ipex-gpu", "macos-arm", None]
_text: dict[str, Any] = {"type": "string", "minLength": 1}
_tasks = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": _TASKS}}
_tensor = {
    "type": "object",
    "required": ["shape", "dim_order", "data_type"],
    "properties": {
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": -1}},
        "dim_order": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _text},
        "data_type": {"enum": _TYPES},
    },
    "additionalProperties": False,
}
_function = {"type": ["object", "null"], "required": ["format", "expression"]}
_input = {
    "type": "object",
    "required": ["name", "bands", "input"],
    "properties": {
        "name": _text,
        "description": _text,
        "bands": {"type": "array", "items": {"type": ["string", "object"]}},
        "input": _tensor,
        "value_scaling": {"type": ["array", "null"], "items": {"type": "object", "required": ["type"]}},
        "resize_type": {"type": ["string", "null"]},
        "pre_processing_function": _function,
    },
    "additionalProperties": False,
}
_class = {
    "type": "object",
    "required": ["value", "name"],
    "properties": {
        "value": {"type": "integer"},
        "name": {"type": "string", "pattern": "^[0-9A-Za-z-_]+$"},
        "description": _text,
        "color_hint": {"type": "string", "pattern": "^[0-9A-F]{6}$"},
    },
}
_output = {
    "type": "object",
    "required": ["name", "tasks", "result"],
    "properties": {
        "name": _text,
        "description": _text,
        "tasks": _tasks,
        "result": _tensor,
        "classification:classes": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _class},
        "post_processing_function": _function,
    },
    "additionalProperties": False,
}
_properties = {
    "mlm:name": {"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$"},
    "mlm:architecture": _text,
    "mlm:tasks": _tasks,
    "mlm:framework": {"enum": _FRAMEWORKS},
    "mlm:framework_version": _text,
    "mlm:memory_size": {"type": "integer", "minimum": 0},
    "mlm:total_parameters": {"type": "integer", "minimum": 0},
    "mlm:pretrained": {"type": "boolean"},
    "mlm:pretrained_source": {"type": ["string", "null"]},
    "mlm:batch_size_suggestion": {"type": "integer", "minimum": 0},
    "mlm:accelerator": {"enum": _ACCELERATORS},
    "mlm:accelerator_constrained": {"type": "boolean"},
    "mlm:input": {"type": "array", "minItems": 1, "items": _input},
    "mlm:output": {"type": "array", "minItems": 1, "items": _output},
    "mlm:hyperparameters": {"type": "object"},
}
_asset = {
    "type": "object",
    "required": ["href", "roles", "mlm:artifact_type"],
    "properties": {"roles": {"type": "array", "contains": {"const": "mlm:model"}}, "mlm:artifact_type": _text},
}
ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["stac_extensions", "properties", "assets"],
    "properties": {
        "stac_extensions": {"contains": {"const": "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"}},
        "properties": {
            "type": "object",
            "required": ["mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"],
            "properties": _properties,
            # A field of the extension that is written otherwise would say nothing to anybody.
            "patternProperties": {f"^mlm:(?!({'|'.join(name[4:] for name in _properties)})$)": False},
        },
        "assets": {"type": "object", "minProperties": 1, "additionalProperties": _asset},
    },
}
