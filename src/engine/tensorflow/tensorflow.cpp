#include "tensorflow.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace chorus_tensorflow {
namespace {

constexpr std::string_view kVersion = "2.21.0";  // kernels and their element types change between releases
constexpr const char* kFile = "libtensorflow_cc.so.2";

constinit Functions g_functions{};
constinit void* g_library = nullptr;

// Looks functions up and remembers the first that is missing.
class Names {
 public:
  explicit Names(void* library) : library_(library) {}
  template <class F>
  void take(const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library_, name));
    if (function == nullptr && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

void fill_tensors(Names& names, Functions& f) {
  names.take("TF_NewStatus", f.new_status);
  names.take("TF_DeleteStatus", f.delete_status);
  names.take("TF_GetCode", f.get_code);
  names.take("TF_Message", f.message);
  names.take("TF_NewTensor", f.new_tensor);
  names.take("TF_AllocateTensor", f.allocate_tensor);
  names.take("TF_DeleteTensor", f.delete_tensor);
  names.take("TF_TensorByteSize", f.tensor_byte_size);
  names.take("TF_TensorData", f.tensor_data);
  names.take("TF_GetRegisteredKernelsForOp", f.registered_kernels);
  names.take("TF_DeleteBuffer", f.delete_buffer);
}

void fill_eager(Names& names, Functions& f) {
  names.take("TFE_NewContextOptions", f.new_options);
  names.take("TFE_ContextOptionsSetConfig", f.set_config);
  names.take("TFE_DeleteContextOptions", f.delete_options);
  names.take("TFE_NewContext", f.new_context);
  names.take("TFE_DeleteContext", f.delete_context);
  names.take("TFE_ContextClearCaches", f.clear_caches);
  names.take("TFE_NewTensorHandle", f.new_handle);
  names.take("TFE_DeleteTensorHandle", f.delete_handle);
  names.take("TFE_TensorHandleDataType", f.handle_type);
  names.take("TFE_TensorHandleNumDims", f.handle_rank);
  names.take("TFE_TensorHandleDim", f.handle_dim);
  names.take("TFE_TensorHandleResolve", f.resolve);
  names.take("TFE_NewOp", f.new_op);
  names.take("TFE_OpReset", f.reset_op);
  names.take("TFE_DeleteOp", f.delete_op);
  names.take("TFE_OpAddInput", f.add_input);
  names.take("TFE_OpAddInputList", f.add_input_list);
  names.take("TFE_OpSetAttrString", f.set_string);
  names.take("TFE_OpSetAttrInt", f.set_int);
  names.take("TFE_OpSetAttrFloat", f.set_float);
  names.take("TFE_OpSetAttrBool", f.set_bool);
  names.take("TFE_OpSetAttrType", f.set_type);
  names.take("TFE_OpSetAttrIntList", f.set_ints);
  names.take("TFE_Execute", f.execute);
}

// TensorFlow gives all contexts of a process the threads of the first; this switch of its own makes each have those that it asks for.
void separate_pools(void* library) {
  auto* shared = static_cast<bool*>(::dlsym(library, "_ZN10tensorflow11LocalDevice22use_global_threadpool_E"));
  if (shared != nullptr) *shared = false;
}

// While it is loaded, TensorFlow prints a line of information about oneDNN that no setting keeps back. What goes to the standard error
// meanwhile is held and given back without such lines.
class QuietLoad {
 public:
  QuietLoad() {
    if (std::getenv("TF_CPP_MIN_LOG_LEVEL") != nullptr) return;  // the user wants to see them, or not
    ::setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0);
    held_ = ::memfd_create("chorus", MFD_CLOEXEC);
    before_ = held_ < 0 ? -1 : ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (before_ >= 0) ::dup2(held_, STDERR_FILENO);
  }
  QuietLoad(const QuietLoad&) = delete;
  QuietLoad& operator=(const QuietLoad&) = delete;
  ~QuietLoad() {
    if (before_ >= 0) {
      ::dup2(before_, STDERR_FILENO);
      ::close(before_);
      give_back();
    }
    if (held_ >= 0) ::close(held_);
  }

 private:
  void give_back() const {
    std::string text(4096, '\0');
    const ssize_t n = ::pread(held_, text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      const std::string_view line = std::string_view(text).substr(begin, end - begin);
      const bool noise = line.find("absl::InitializeLog()") != line.npos || line.find(" port.cc:") != line.npos;
      if (!noise && ::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
      begin = end;
    }
  }
  int held_ = -1, before_ = -1;
};

// Its own logging keeps to what ends the process, unless the user has set a level.
void log_less(void* library) {
  const auto set = reinterpret_cast<void (*)(int)>(
      ::dlsym(library, "_ZN4absl12lts_2025081414SetMinLogLevelENS0_18LogSeverityAtLeastE"));
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (set != nullptr && level != nullptr && std::string_view(level) == "3") set(3);
}

bool open_library(const std::string& folder, std::string& reason) {
  const char* named = std::getenv("CHORUS_TENSORFLOW_LIBRARY");
  std::string path = named != nullptr ? named : "";
  const bool anywhere = path.empty() && folder.empty();
  if (path.empty()) path = folder.empty() ? std::string(kFile) : folder + "/tensorflow/" + kFile;
  void* library = [&path] {
    const QuietLoad quiet;
    return ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  }();
  if (library == nullptr) {
    const char* why = ::dlerror();
    reason = anywhere ? "the library " + path + " is not installed"
                      : std::string("the library cannot be loaded: ") + (why != nullptr ? why : path);
    return false;
  }
  if (g_library != nullptr) {
    if (library != g_library) reason = "another TensorFlow than " + path + " is open in this process";
    return library == g_library;
  }
  Names names(library);
  Functions found{};
  names.take("TF_Version", found.version);
  if (!names.missing().empty()) {
    reason = path + " does not say its version: it is no TensorFlow with a C interface";
    return false;
  }
  if (found.version() != kVersion) {
    reason = std::string("TensorFlow ") + found.version() + " was found; " + std::string(kVersion) + " is needed";
    return false;
  }
  fill_tensors(names, found);
  fill_eager(names, found);
  if (!names.missing().empty()) {
    reason = path + " has no function " + names.missing();
    return false;
  }
  separate_pools(library);
  log_less(library);
  g_functions = found;
  g_library = library;
  return true;
}

}  // namespace

const Functions* tf() noexcept { return g_library != nullptr ? &g_functions : nullptr; }

bool load_tensorflow(const std::string& folder, std::string& reason) {
  static std::mutex lock;
  std::lock_guard guard(lock);
  return open_library(folder, reason);
}

}  // namespace chorus_tensorflow
