#include "ort.h"

#include <dirent.h>
#include <dlfcn.h>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace chorus_ort {
namespace {

struct OrtApiBase {
  const void* const* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};
constexpr uint32_t kApiVersion = 14;   // has every slot below; later versions only append
constexpr int kLeastMinor = 31;        // of 1.x: the release whose operator sets claim() knows

template <class F>
void take(const void* const* table, int slot, F& function) {
  function = reinterpret_cast<F>(const_cast<void*>(table[slot]));
}

// Only versioned names are installed: libonnxruntime.so.1.31.1.
std::string library_in(const std::string& folder) {
  constexpr std::string_view kStem = "libonnxruntime.so.1.";
  std::string found;
  if (DIR* dir = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name.substr(0, kStem.size()) == kStem && name > std::string_view(found)) found = name;
    }
    ::closedir(dir);
  }
  return found.empty() ? found : folder + "/" + found;
}

void fill(Ort& o, const void* const* t) {
  take(t, 1, o.GetErrorCode);
  take(t, 2, o.GetErrorMessage);
  take(t, 3, o.CreateEnv);
  take(t, 8, o.CreateSessionFromArray);
  take(t, 9, o.Run);
  take(t, 10, o.CreateSessionOptions);
  take(t, 22, o.SetSessionLogSeverityLevel);
  take(t, 23, o.SetSessionGraphOptimizationLevel);
  take(t, 24, o.SetIntraOpNumThreads);
  take(t, 25, o.SetInterOpNumThreads);
  take(t, 31, o.SessionGetOutputCount);
  take(t, 37, o.SessionGetOutputName);
  take(t, 39, o.CreateRunOptions);
  take(t, 41, o.RunOptionsSetRunLogSeverityLevel);
  take(t, 46, o.RunOptionsSetTerminate);
  take(t, 47, o.RunOptionsUnsetTerminate);
  take(t, 48, o.CreateTensorAsOrtValue);
  take(t, 49, o.CreateTensorWithDataAsOrtValue);
  take(t, 51, o.GetTensorMutableData);
  take(t, 52, o.FillStringTensor);
  take(t, 53, o.GetStringTensorDataLength);
  take(t, 54, o.GetStringTensorContent);
  take(t, 60, o.GetTensorElementType);
  take(t, 61, o.GetDimensionsCount);
  take(t, 62, o.GetDimensions);
  take(t, 65, o.GetTensorTypeAndShape);
  take(t, 67, o.GetValueType);
  take(t, 69, o.CreateCpuMemoryInfo);
  take(t, 76, o.AllocatorFree);
  take(t, 78, o.GetAllocatorWithDefaultOptions);
  take(t, 80, o.GetValue);
  take(t, 81, o.GetValueCount);
  take(t, 82, o.CreateValue);
  take(t, 92, o.ReleaseEnv);
  take(t, 93, o.ReleaseStatus);
  take(t, 94, o.ReleaseMemoryInfo);
  take(t, 95, o.ReleaseSession);
  take(t, 96, o.ReleaseValue);
  take(t, 97, o.ReleaseRunOptions);
  take(t, 99, o.ReleaseTensorInfo);
  take(t, 100, o.ReleaseSessionOptions);
}

}  // namespace

bool load_ort(const std::string& folder, Ort& ort, std::string& version, std::string& reason) {
  const char* named = std::getenv("CHORUS_ORT_LIBRARY");
  std::string path = named != nullptr ? named : "";
  if (path.empty() && !folder.empty()) path = library_in(folder + "/onnxruntime/capi");
  if (path.empty() && !folder.empty()) path = library_in(folder);
  const bool anywhere = path.empty();
  if (anywhere) path = "libonnxruntime.so.1";
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    reason = anywhere ? "the library libonnxruntime.so.1 is not installed"
                      : std::string("the library cannot be loaded: ") + (why ? why : path);
    return false;
  }
  const auto entry = reinterpret_cast<const OrtApiBase* (*)()>(::dlsym(library, "OrtGetApiBase"));
  const OrtApiBase* base = entry == nullptr ? nullptr : entry();
  if (base == nullptr) {
    reason = path + " has no OrtGetApiBase";
    return false;
  }
  version = base->GetVersionString();
  char* rest = nullptr;
  const long major = std::strtol(version.c_str(), &rest, 10);
  const long minor = rest != nullptr && *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  const void* const* table = major == 1 && minor >= kLeastMinor ? base->GetApi(kApiVersion) : nullptr;
  if (table == nullptr) {
    reason = "ONNX Runtime " + version + " was found; 1." + std::to_string(kLeastMinor) + " or a later 1.x is needed";
    return false;
  }
  fill(ort, table);
  return true;
}

}  // namespace chorus_ort
