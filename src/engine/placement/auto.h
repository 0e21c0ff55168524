// Engine "auto": measures which engine is fastest on a model, within a bound of accuracy, and remembers it.
#pragma once
#include <engine/engine.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::placement {

/// What CompileOptions::more says to it, as a JSON object of these names.
struct AutoSettings {
  std::vector<std::string> engines;  ///< to choose from; empty: those that are open
  double bound = 1e-4;  ///< largest difference from the plain native kernels, as a share of their largest value
  std::string folder;  ///< where answers are remembered; empty: nowhere
  std::string build;  ///< answers of another one do not count
};
std::string to_json(const AutoSettings& settings);
/// Throws Error(bad_input) for what is no such object.
AutoSettings auto_settings(std::string_view json);

/// One engine, or one cut over several, and what was found.
struct Candidate {
  std::string name;  ///< "torch", or "native|onnxruntime": of the segments, one after the other
  std::vector<std::string> cut;  ///< engine of each segment; empty: one engine for all
  double ms = 0;  ///< of a run: the lower quartile of the shortest of each turn; 0: none
  double error = 0;  ///< as the bound
  std::string reason;  ///< why it does not count; empty: it does
  std::string note;  ///< "2 of 30 nodes run elsewhere"
};

struct Answer {
  std::vector<Candidate> candidates;
  size_t chosen = 0;
  bool remembered = false;  ///< read, not measured now
};

struct AutoEngines {
  std::function<std::shared_ptr<Engine>(std::string_view)> open;  ///< complete ones, see with_fallback
  std::function<std::vector<std::string>()> opened;  ///< what AutoSettings::engines stands for when it is empty
};

/// compile gives a program that measures on the inputs of its first run, or at once takes what is remembered; Program::str("auto") is the
/// table. Throws as those that it tries where none of them can.
std::shared_ptr<Engine> make_auto_engine(AutoEngines engines);

// ---- parts of it, for tests

/// Segments of the model's normal form that suit different engines, one after the other: convolutions, products, trees, recurrent
/// cells, what samples and selects, the rest. At most kMostSegments, else one.
inline constexpr size_t kMostSegments = 6;
struct Segments {
  std::shared_ptr<const Graph> graph;
  std::vector<std::vector<NodeId>> nodes;
};
Segments segments_of(const Model& model);

/// max |a - b| over all outputs, as a share of the largest |b| of each; infinite where types, shapes, texts or NaNs differ.
double error_of(std::span<const Value> got, std::span<const Value> wanted);

/// Answers in one file of a folder: bounded, replaced as a whole; a file that is not what was written is no file.
class AutoLog {
 public:
  explicit AutoLog(std::string folder) : folder_(std::move(folder)) {}
  bool find(const std::string& key, Answer* answer) const noexcept;
  void put(const std::string& key, const Answer& answer) const noexcept;
  std::string path() const { return folder_ + "/auto.json"; }

 private:
  std::string folder_;
};

}  // namespace chorus::placement
