"""Class activation maps, computed by an OpenVINO model as one more output.

Where a linear head takes the averages of a photo's last maps, a logit is the average of those maps
weighted by the class's weights, and its bias. So the weighted maps show where the logit comes
from (CAM, Zhou et al. 2016), without a gradient, and equal Grad-CAM (Selvaraju et al. 2017, section
3.1). Other networks need Grad-CAM itself: see `serving.grad_cam`.
"""

from typing import Any

from dogbreed.runtime.runner import CLASS_MAPS, FEATURES, LOGITS


def add_class_maps(model: Any) -> bool:
    """Add the output CLASS_MAPS [n, classes, cells, cells] to a model of LOGITS and FEATURES.

    Returns False, and changes nothing, where the network's layers don't allow it.
    """
    from openvino import opset13 as ops

    features = _source(model.output(FEATURES).get_node())
    maps = _averaged(features)
    weights = _linear_weights(_source(model.output(LOGITS).get_node()), features)
    if maps is None or weights is None:
        return False
    weighted = ops.convolution(maps, ops.unsqueeze(weights, [2, 3]), [1, 1], [0, 0], [0, 0], [1, 1])
    weighted.output(0).get_tensor().set_names({CLASS_MAPS})
    model.add_outputs([weighted.output(0)])
    return True


def _source(node: Any, place: int = 0) -> Any:
    """The output that a node's input comes from."""
    return node.input(place).get_source_output()


def _averaged(features: Any) -> Any:
    """The maps [n, features, cells, cells] whose averages these are, or None."""
    source = features
    while _kind(source) in ("Reshape", "Squeeze"):
        source = _source(source.get_node())
    if _kind(source) == "AdaptiveAvgPool" and _cells(source) == [1, 1]:
        source = _source(source.get_node())
        if _kind(source) == "Tile":  # by ones, for photos of any number
            source = _source(source.get_node())
    elif _kind(source) == "ReduceMean" and _axes(source) in ([2, 3], [-2, -1]):
        source = _source(source.get_node())
    else:
        return None
    return source if min(_cells(source), default=0) > 1 else None


def _linear_weights(logits: Any, features: Any) -> Any:
    """The weights [classes, features] of the linear layer between the two, or None."""
    product = _source(logits.get_node()) if _kind(logits) == "Add" else logits
    node = product.get_node()
    if (
        _kind(product) == "MatMul"
        and node.get_attributes()["transpose_b"]
        and _name(_source(node)) == _name(features)
    ):
        return _source(node, 1)
    return None


def _kind(output: Any) -> str:
    return str(output.get_node().get_type_name())


def _name(output: Any) -> str:
    return str(output.get_node().get_friendly_name())


def _cells(output: Any) -> list[int]:
    """Height and width of maps; nothing where they aren't maps, or of no fixed size."""
    shape = output.get_partial_shape()
    if shape.rank != 4 or shape[2].is_dynamic or shape[3].is_dynamic:
        return []
    return [shape[2].get_length(), shape[3].get_length()]


def _axes(mean: Any) -> list[int]:
    """Over which it is taken, in order; nothing where that isn't fixed."""
    axes = _source(mean.get_node(), 1).get_node()
    return sorted(axes.get_data().tolist()) if axes.get_type_name() == "Constant" else []
