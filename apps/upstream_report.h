// A wrong node as a text that the makers of an engine can use: what was computed, what should have been, and how to see it oneself.
#pragma once
#include "difference.h"

#include <format/npz/npz.h>
#include <graph/graph.h>

#include <string>

namespace chorus::app {

struct WrongNode {
  std::string engine, version;
  std::string model_file, inputs_file;  ///< as they are named in the text
  std::string value;  ///< the output that is wrong
  Difference own;  ///< the engine's answer against the oracle's, on the same operands
};

/// Markdown. `alone` has one node; `feeds` are its inputs.
std::string upstream_report(const Model& alone, const NamedValues& feeds, const WrongNode& finding);

}  // namespace chorus::app
