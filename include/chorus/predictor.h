// Predictor: one model, ready to run, made from a Config. The flow of a program:
//   Config config("model.onnx");
//   auto predictor = std::make_shared<Predictor>(config);
//   auto input_names = predictor->GetInputNames();
//   auto tensor = predictor->GetInputTensor(input_names[0]);
//   tensor->Reshape({1, 3, 224, 224});          // where the model leaves extents open
//   tensor->copy(data);
//   predictor->Run();
//   auto out = predictor->GetOutputTensor(predictor->GetOutputNames()[0]);
//   out->copy(result);
#pragma once
#include <chorus/config.h>
#include <chorus/infer.h>
#include <chorus/io.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chorus {

using api::DataLayout;
using api::InputTensor;
using api::OutputTensor;
using api::OutputView;
using api::Profile;
using api::RunHandle;

/// One run at a time; for several threads, one clone each.
class CHORUS_API Predictor {
 public:
  /// Reads, optimises and compiles. Throws Error: not_found (path), bad_input (damaged model), unsupported (operators that the engine
  /// lacks, each with its reason), unavailable (engine or device) …
  explicit Predictor(const Config& config);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  /// The same weights and code, own buffers.
  std::unique_ptr<Predictor> Clone() const;

  std::vector<std::string> GetInputNames() const;  ///< in the order of the graph
  std::vector<std::string> GetOutputNames() const;
  /// Valid as long as the Predictor; null for an unknown name (LastMessage() then lists the known ones).
  InputTensor* GetInputTensor(std::string_view name);
  OutputTensor* GetOutputTensor(std::string_view name);
  const std::string& LastMessage() const noexcept;

  /// Throws Error: bad_input (an input is missing), shape, type, budget, timeout, cancelled …
  void Run();
  RunHandle RunAsync();

  /// As Instance::SetHook, SetSeed.
  void SetHook(api::Instance::Hook hook);
  void SetSeed(uint64_t seed);
  /// For code inside Chorus: every value that a step makes, sequences and strings too. Null: none.
  void SetTap(std::function<void(const std::string&, const Value&)> tap);

  /// Times of the runs so far; empty unless Config::EnableProfile. `measure_peaks` finds, once per process and within half a second,
  /// what the machine can do, and fills in the roofline.
  Profile GetProfile(bool measure_peaks = false) const;
  int64_t ArenaBytes() const noexcept;
  /// Printed form: "plan" or "kernel".
  std::string Print(std::string_view level) const;
  const std::string& EngineName() const noexcept;

 private:
  explicit Predictor(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
  std::string message_;
};

}  // namespace chorus
