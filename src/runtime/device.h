// What a Device decides about the threads of a compile.
#pragma once
#include <chorus/device.h>

namespace chorus::api {

struct DeviceSettings {
  int threads = 1;
  std::vector<int> affinity;
  ExternalThreads external = nullptr;
  void* external_user = nullptr;
};

struct DeviceAccess {
  /// With the power mode applied.
  static DeviceSettings of(const Device& device);
};

}  // namespace chorus::api
