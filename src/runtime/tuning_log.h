// The tuning log: a JSON file with what was timed on this machine. It holds for one processor, its instruction sets and one version of this
// library; compiles read it, `chorus tune` writes it. Several processes may use one file: it appears complete (temporary name, rename), and
// of two that write at once the last one wins.
//
//   {"format": "chorus tuning log", "version": 1, "processor": "…", "features": "avx avx2 …", "library": "0.1.0", "checksum": "16 digits",
//    "steps": [{"step": "<signature>", "choice": "winograd4 chunk=112", "before_us": 120.5, "after_us": 101.2}, …]}
#pragma once
#include <core/tuning.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus {

class TuningLog final : public Tuning {
 public:
  static constexpr int64_t kMostBytes = int64_t{8} << 20;  ///< of a file
  static constexpr size_t kMostSteps = 20'000;  ///< beyond, those put first go
  static constexpr size_t kMostText = 400;  ///< bytes of a signature or a choice

  struct Step {
    std::string signature, choice;
    double before_us = 0, after_us = 0;
  };

  TuningLog() = default;
  TuningLog(TuningLog&&) = default;
  TuningLog& operator=(TuningLog&&) = default;

  /// Where a compile looks: tuning-<16 digits>.json in the folder of the compile cache; the digits stand for processor, features and version.
  static std::string path_in(const std::string& folder);
  /// Error(not_found) when there is none, Error(bad_input) with one sentence when it is damaged or made for another processor or version.
  static TuningLog read(const std::string& path);
  /// For compiles: null when there is no file; what is wrong with one is one warning (core/log.h), and null.
  static std::shared_ptr<const TuningLog> find(const std::string& path) noexcept;

  /// In the place of an older step of the same signature. Error(bad_input) for texts that are empty, longer than kMostText or not printable.
  void put(Step step);
  void drop(std::string_view signature);
  /// Replaces the file; makes its folder. Error when that cannot be.
  void write(const std::string& path) const;

  std::string_view choice(std::string_view signature) const noexcept override;
  std::string_view identity() const noexcept override { return identity_; }
  const std::vector<Step>& steps() const noexcept { return steps_; }

 private:
  void index();
  std::vector<Step> steps_;
  std::unordered_map<std::string_view, size_t> by_signature_;
  std::string identity_;
};

}  // namespace chorus
