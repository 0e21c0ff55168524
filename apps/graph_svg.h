// A picture of a model's graph: nodes in layers from top to bottom, values as curves.
#pragma once
#include <chorus/model.h>

#include <string>

namespace chorus::app {

/// SVG text. Error(budget) for more than 5,000 nodes.
std::string graph_svg(const api::Model& model);

}  // namespace chorus::app
