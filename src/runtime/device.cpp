#include <chorus/buffer.h>
#include <chorus/error.h>
#include <core/cpu.h>
#include <core/file.h>
#include <runtime/device.h>
#include <runtime/load.h>

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>

namespace chorus::api {
namespace {

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> list;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

DeviceInfo cpu_device() {
  DeviceInfo info;
  info.name = "cpu";
  info.description = cpu_info().brand;
  info.ready = true;
  info.memory_bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  info.processors = usable_processors();
  info.features = words(to_string(cpu()));
  return info;
}

/// One counter of microjoules that wraps at `range`.
struct Counter {
  int64_t last = 0, range = 0;
};

/// Whether the counter is that of a processor package. Those of its parts (intel-rapl:0:0 …) are contained in it, the second way to read it
/// (intel-rapl-mmio:0) shows the same energy, and a counter of the whole platform ("psys") has the packages in it too.
bool is_package(const std::filesystem::path& counter) {
  const std::string folder = counter.filename().string();
  const size_t colon = folder.find(':');
  if (colon == std::string::npos || colon != folder.rfind(':') || folder.compare(0, colon, "intel-rapl") != 0)
    return false;
  std::error_code error;
  if (!std::filesystem::exists(counter / "name", error)) return true;
  try {
    return read_whole((counter / "name").string(), 64).rfind("package", 0) == 0;
  } catch (const Error&) {
    return false;
  }
}

int64_t read_number(const std::filesystem::path& path) { return std::stoll(read_whole(path.string(), 64)); }

}  // namespace

std::vector<DeviceInfo> Devices() {
  std::vector<DeviceInfo> list = {cpu_device()};
  for (const char* name : {"cuda", "vulkan", "opencl"}) {
    DeviceInfo absent;
    absent.name = name;
    absent.reason = "no engine of this build drives it";
    list.push_back(absent);
  }
  return list;
}

struct Device::Impl {
  DeviceInfo info;
  DeviceSettings settings;
  PowerMode mode = PowerMode::high;
  std::map<std::string, Counter> counters;  // by folder
  double joules = 0;
  std::string energy_reason;
};

DeviceSettings DeviceAccess::of(const Device& device) {
  DeviceSettings settings = device.impl_->settings;
  settings.threads = device.NumThreads();
  return settings;
}

Device::Device() : impl_(std::make_unique<Impl>()) {}
Device::~Device() = default;
Device::Device(const Device& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Device& Device::operator=(const Device& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}

Device Device::Open(const std::string& name, bool fallback) {
  require_device(name, fallback);
  Device device;
  device.impl_->info = cpu_device();
  device.impl_->settings.threads = device.impl_->info.processors;
  return device;
}

const DeviceInfo& Device::info() const noexcept { return impl_->info; }

void Device::SetNumThreads(int n) {
  if (n < 1 || n > 1024)
    throw Error(Code::bad_input, fmt::format("device: {} threads asked for", n), {}, "give a number from 1 to 1024");
  impl_->settings.threads = n;
  impl_->settings.external = nullptr;
}

void Device::SetAffinity(std::vector<int> processors) { impl_->settings.affinity = std::move(processors); }

void Device::SetThreadPool(ExternalThreads run, void* user, int threads) {
  if (run == nullptr) throw Error(Code::bad_input, "device: the thread pool has no function");
  SetNumThreads(threads);
  impl_->settings.external = run;
  impl_->settings.external_user = user;
}

int Device::NumThreads() const noexcept { return threads_in_mode(impl_->settings.threads, impl_->mode); }
void Device::SetPowerMode(PowerMode mode) { impl_->mode = mode; }

PowerMode Device::GetPowerMode() const noexcept {
  const int all = impl_->settings.threads, used = NumThreads();
  if (used == 1) return PowerMode::low;
  return used == all ? PowerMode::high : PowerMode::balanced;
}

const std::string& Device::EnergyReason() const noexcept { return impl_->energy_reason; }

std::optional<EnergyReading> Device::Energy() {
  const char* chosen = std::getenv("CHORUS_POWERCAP_ROOT");
  const std::filesystem::path root = chosen != nullptr && *chosen != 0 ? chosen : "/sys/class/powercap";
  std::error_code error;
  bool found = false;
  impl_->energy_reason = "there is no energy counter below " + root.string();
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    if (!is_package(entry.path())) continue;
    const std::string name = entry.path().filename().string();
    try {
      const int64_t now = read_number(entry.path() / "energy_uj");
      const int64_t range = read_number(entry.path() / "max_energy_range_uj");
      const auto [it, fresh] = impl_->counters.try_emplace(name, Counter{now, range});
      if (!fresh) {
        const int64_t step = now >= it->second.last ? now - it->second.last : now + it->second.range - it->second.last;
        impl_->joules += static_cast<double>(step) * 1e-6;
        it->second.last = now;
      }
      found = true;
    } catch (const std::exception& problem) {
      impl_->energy_reason = "the counter " + entry.path().string() + " cannot be read: " + problem.what();
    }
  }
  if (!found) return std::nullopt;
  impl_->energy_reason.clear();
  return EnergyReading{impl_->joules, "rapl"};
}

}  // namespace chorus::api
