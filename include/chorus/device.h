// Devices, power and threads: the interface class "device management" of the inference-engine API. C++17.
#pragma once
#include <chorus/config.h>
#include <chorus/export.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chorus {
namespace api {

struct DeviceInfo {
  std::string name;                    ///< "cpu", "cuda:0"
  std::string description;             ///< the processor's brand
  bool ready = false;
  std::string reason;                  ///< why not
  int64_t memory_bytes = 0;            ///< 0: unknown
  int processors = 0;                  ///< that this process may use
  std::vector<std::string> features;   ///< instruction sets: "avx2", "avx512f" …
};

/// Every kind of device that Chorus knows, present or not.
CHORUS_API std::vector<DeviceInfo> Devices();

struct EnergyReading {
  double joules = 0;  ///< since an arbitrary point; differences count, and are right past a counter's wrap-around
  std::string source;  ///< "rapl"
};

/// Settings of the device that models are compiled for; a value, copied by Compile.
class CHORUS_API Device {
 public:
  /// "cpu". Error(bad_input) for an unknown kind, Error(unavailable) with the reason for one that is absent; `fallback`: the cpu then.
  static Device Open(const std::string& name, bool fallback = false);
  const DeviceInfo& info() const noexcept;

  void SetNumThreads(int n);  ///< 1..1024; default: info().processors
  void SetAffinity(std::vector<int> processors);  ///< workers are pinned to these, in turn
  void SetThreadPool(ExternalThreads run, void* user, int threads);
  int NumThreads() const noexcept;  ///< in effect, after the power mode

  /// Only the number of workers changes; clocks and governors of the system are never written.
  void SetPowerMode(PowerMode mode);
  /// The mode in effect, not the one asked for: with one processor, every mode is `low`.
  PowerMode GetPowerMode() const noexcept;

  /// Energy that the packages have used, from the counters below /sys/class/powercap (or $CHORUS_POWERCAP_ROOT); empty: there is no
  /// counter that may be read, see EnergyReason().
  std::optional<EnergyReading> Energy();
  const std::string& EnergyReason() const noexcept;

  ~Device();
  Device(const Device&);
  Device& operator=(const Device&);

 private:
  struct Impl;
  Device();
  std::unique_ptr<Impl> impl_;
  friend struct DeviceAccess;
};

}  // namespace api
}  // namespace chorus
