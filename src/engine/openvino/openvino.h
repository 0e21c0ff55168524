// OpenVINO's C interface, declared by hand (openvino/c/*.h of 2026.4.1), looked up at run time: neither a header nor a link is needed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

// Handles of OpenVINO: opaque here.
struct OvCore;
struct OvModel;
struct OvCompiled;
struct OvRequest;
struct OvTensor;
struct OvPort;

namespace chorus_openvino {

// The layouts below are those of 2026.4.1, which is why no other version is taken.
struct OvVersion {
  const char* build;
  const char* description;
};
struct OvShape {
  int64_t rank;
  int64_t* dims;
};
struct OvProperty {
  const char* key;
  const void* value;  // const char* of every property that is used here
};

enum class Status : int {  // ov_status_e
  ok = 0,
  not_implemented = -2,
  parameter_mismatch = -4,
  result_not_ready = -9,
  cancelled = -13,
};

struct Functions {
  Status (*get_openvino_version)(OvVersion*);
  void (*version_free)(OvVersion*);
  const char* (*get_last_err_msg)();
  void (*free)(const char*);
  Status (*core_create)(OvCore**);
  void (*core_free)(OvCore*);
  Status (*core_read_model_from_memory_buffer)(const OvCore*, const char*, size_t, const OvTensor* weights, OvModel**);
  Status (*core_compile_model_props)(const OvCore*, const OvModel*, const char* device, size_t, const OvProperty*,
                                     OvCompiled**);
  void (*model_free)(OvModel*);
  Status (*compiled_model_outputs_size)(const OvCompiled*, size_t*);
  Status (*compiled_model_inputs_size)(const OvCompiled*, size_t*);
  Status (*compiled_model_input_by_index)(const OvCompiled*, size_t, OvPort**);
  Status (*compiled_model_output_by_index)(const OvCompiled*, size_t, OvPort**);
  Status (*port_get_any_name)(const OvPort*, char**);
  Status (*const_port_get_shape)(const OvPort*, OvShape*);  // fails for a shape that is not fixed, and for a scalar
  Status (*port_get_element_type)(const OvPort*, int*);
  Status (*compiled_model_create_infer_request)(const OvCompiled*, OvRequest**);
  void (*compiled_model_free)(OvCompiled*);
  void (*output_const_port_free)(OvPort*);
  Status (*infer_request_set_tensor_by_const_port)(OvRequest*, const OvPort*, const OvTensor*);
  Status (*infer_request_set_output_tensor_by_index)(OvRequest*, size_t, const OvTensor*);
  Status (*infer_request_get_output_tensor_by_index)(const OvRequest*, size_t, OvTensor**);
  Status (*infer_request_infer)(OvRequest*);
  Status (*infer_request_start_async)(OvRequest*);
  Status (*infer_request_wait_for)(OvRequest*, int64_t milliseconds);
  Status (*infer_request_wait)(OvRequest*);
  Status (*infer_request_cancel)(OvRequest*);
  void (*infer_request_free)(OvRequest*);
  Status (*tensor_create_from_host_ptr)(int type, OvShape, void*, OvTensor**);
  Status (*tensor_create_from_string_array)(const char**, size_t, OvShape, OvTensor**);
  Status (*tensor_get_shape)(const OvTensor*, OvShape*);  // fails for a scalar
  Status (*tensor_get_size)(const OvTensor*, size_t*);
  Status (*tensor_get_element_type)(const OvTensor*, int*);
  Status (*tensor_get_byte_size)(const OvTensor*, size_t*);
  Status (*tensor_data)(const OvTensor*, void**);
  void (*tensor_free)(OvTensor*);
  Status (*shape_free)(OvShape*);
};

/// The functions and the build ("2026.4.1-22982-…") of the library that was found: CHORUS_OPENVINO_LIBRARY, then below `folder`, then the
/// loader's own path. Returns false with the reason. The library is never closed.
bool load_openvino(const std::string& folder, Functions& functions, std::string& version, std::string& reason);

}  // namespace chorus_openvino
