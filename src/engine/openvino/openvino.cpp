#include "openvino.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

namespace chorus_openvino {
namespace {

constexpr std::string_view kVersion = "2026.4.1";  // numbers of element types and layouts change between releases
constexpr std::string_view kFile = "libopenvino_c.so.2641";

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

void fill_models(Names& names, Functions& f) {
  names.take("ov_get_last_err_msg", f.get_last_err_msg);
  names.take("ov_free", f.free);
  names.take("ov_core_create", f.core_create);
  names.take("ov_core_free", f.core_free);
  names.take("ov_core_read_model_from_memory_buffer", f.core_read_model_from_memory_buffer);
  names.take("ov_core_compile_model_props", f.core_compile_model_props);
  names.take("ov_model_free", f.model_free);
  names.take("ov_compiled_model_outputs_size", f.compiled_model_outputs_size);
  names.take("ov_compiled_model_inputs_size", f.compiled_model_inputs_size);
  names.take("ov_compiled_model_input_by_index", f.compiled_model_input_by_index);
  names.take("ov_compiled_model_output_by_index", f.compiled_model_output_by_index);
  names.take("ov_port_get_any_name", f.port_get_any_name);
  names.take("ov_const_port_get_shape", f.const_port_get_shape);
  names.take("ov_port_get_element_type", f.port_get_element_type);
  names.take("ov_compiled_model_create_infer_request", f.compiled_model_create_infer_request);
  names.take("ov_compiled_model_free", f.compiled_model_free);
  names.take("ov_output_const_port_free", f.output_const_port_free);
}

void fill_runs(Names& names, Functions& f) {
  names.take("ov_infer_request_set_tensor_by_const_port", f.infer_request_set_tensor_by_const_port);
  names.take("ov_infer_request_set_output_tensor_by_index", f.infer_request_set_output_tensor_by_index);
  names.take("ov_infer_request_get_output_tensor_by_index", f.infer_request_get_output_tensor_by_index);
  names.take("ov_infer_request_infer", f.infer_request_infer);
  names.take("ov_infer_request_start_async", f.infer_request_start_async);
  names.take("ov_infer_request_wait_for", f.infer_request_wait_for);
  names.take("ov_infer_request_wait", f.infer_request_wait);
  names.take("ov_infer_request_cancel", f.infer_request_cancel);
  names.take("ov_infer_request_free", f.infer_request_free);
  names.take("ov_tensor_create_from_host_ptr", f.tensor_create_from_host_ptr);
  names.take("ov_tensor_create_from_string_array", f.tensor_create_from_string_array);
  names.take("ov_tensor_get_shape", f.tensor_get_shape);
  names.take("ov_tensor_get_size", f.tensor_get_size);
  names.take("ov_tensor_get_element_type", f.tensor_get_element_type);
  names.take("ov_tensor_get_byte_size", f.tensor_get_byte_size);
  names.take("ov_tensor_data", f.tensor_data);
  names.take("ov_tensor_free", f.tensor_free);
  names.take("ov_shape_free", f.shape_free);
}

}  // namespace

bool load_openvino(const std::string& folder, Functions& f, std::string& version, std::string& reason) {
  const char* named = std::getenv("CHORUS_OPENVINO_LIBRARY");
  std::string path = named != nullptr ? named : "";
  const bool anywhere = path.empty() && folder.empty();
  if (path.empty()) path = folder.empty() ? std::string(kFile) : folder + "/openvino/libs/" + std::string(kFile);
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    reason = anywhere ? "the library " + path + " is not installed"
                      : std::string("the library cannot be loaded: ") + (why != nullptr ? why : path);
    return false;
  }
  Names names(library);
  names.take("ov_get_openvino_version", f.get_openvino_version);
  names.take("ov_version_free", f.version_free);
  OvVersion found{};
  if (!names.missing().empty() || f.get_openvino_version(&found) != Status::ok) {
    reason = path + " does not say its version: it is no OpenVINO with a C interface";
    return false;
  }
  version = found.build != nullptr ? found.build : "";
  f.version_free(&found);
  const bool wanted = version.substr(0, kVersion.size()) == kVersion &&
                      (version.size() == kVersion.size() || version[kVersion.size()] == '-');
  if (!wanted) {
    reason = "OpenVINO " + version + " was found; " + std::string(kVersion) + " is needed";
    return false;
  }
  fill_models(names, f);
  fill_runs(names, f);
  if (!names.missing().empty()) reason = path + " has no function " + names.missing();
  return names.missing().empty();
}

}  // namespace chorus_openvino
