// Good models to damage: one node of every case of every row, fixture networks, control flow, functions.
#pragma once
#include "hostile/damage.h"

#include <graph/graph.h>

#include <string>
#include <vector>

namespace chorus::testing {

/// In a fixed order. With the .onnx files (up to 64 KiB) below `folder` where it exists.
std::vector<Seed> make_corpus(const std::string& folder = {});

}  // namespace chorus::testing
