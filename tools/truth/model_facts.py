"""Facts about ONNX models that several scripts here need: nodes at any depth, operator counts."""

from collections import Counter

from onnx import AttributeProto


def domain_name(domain):
    return domain or "ai.onnx"


def nodes_of(nodes):
    """Every node of a list of nodes and of the graphs in their attributes, in file order."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from nodes_of(attribute.g.node)
            elif attribute.type == AttributeProto.GRAPHS:
                for graph in attribute.graphs:
                    yield from nodes_of(graph.node)


def all_nodes(model):
    """Every node of the model: main graph, nested graphs, bodies of the model's own functions."""
    yield from nodes_of(model.graph.node)
    for function in model.functions:
        yield from nodes_of(function.node)


def operator_counts(model):
    """Counter of "domain::Name" over all nodes; calls of the model's own functions are not operators."""
    own = {(domain_name(f.domain), f.name) for f in model.functions}
    calls = ((domain_name(n.domain), n.op_type) for n in all_nodes(model))
    return Counter(f"{domain}::{name}" for domain, name in calls if (domain, name) not in own)


def opsets(model):
    return {domain_name(o.domain): o.version for o in model.opset_import}
