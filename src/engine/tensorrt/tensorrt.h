// What is used of TensorRT 10, of its ONNX parser and of the CUDA runtime, declared by hand. TensorRT's objects are C++ objects: a public one
// holds, behind its own table of virtual functions, a pointer to an implementation whose table has the functions that cross the library's
// border, at the same places in 10.0 to 10.16. `slot` is the place in that table; 0 and 1 are the destructors.
#pragma once
#include <engine/adapter/adapter.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace chorus_tensorrt {

using chorus_adapter::Failure;
using chorus_adapter::view;

/// Sizes; -1 where the engine takes any.
struct Dims {
  static constexpr int32_t kMost = 8;
  int32_t rank = 0;
  int64_t extents[kMost] = {};
};

enum class Place : int32_t { none = 0, input = 1, output = 2 };
enum class Severity : int32_t { internal_error = 0, error = 1, warning = 2, info = 3, verbose = 4 };
enum class Flag : int32_t { fp16 = 0, tf32 = 6, bf16 = 17 };

/// What TensorRT calls with its messages. The order of the functions is its interface.
class Logger {
 public:
  virtual void log(Severity severity, const char* message) noexcept = 0;
  virtual ~Logger() = default;
};

/// Calls the function at `slot` of an object's table.
template <int slot, class R, class... A>
#if defined(__clang__)
__attribute__((no_sanitize("function")))  // a member function, called as what it is underneath
#endif
R call(void* object, A... arguments) {
  void* const* table = *static_cast<void* const* const*>(object);
  return reinterpret_cast<R (*)(void*, A...)>(table[slot])(object, arguments...);
}

/// The implementation behind a public object.
inline void* inner(void* object) { return static_cast<void**>(object)[1]; }

/// Ends public objects of TensorRT, whose second function deletes, and the parser, whose tenth does.
struct End {
  void operator()(void* object) const { call<1, void>(object); }
};
struct EndParser {
  void operator()(void* object) const { call<9, void>(object); }
};
using Object = std::unique_ptr<void, End>;
using Parser = std::unique_ptr<void, EndParser>;

// INetworkDefinition, IBuilder, IBuilderConfig, IHostMemory
inline void* builder_config(void* builder) { return call<7, void*>(inner(builder)); }
inline void* builder_network(void* builder) { return call<8, void*, uint32_t>(inner(builder), 0); }
inline void* builder_build(void* builder, void* network, void* config) {
  return call<14, void*, void*, void*>(inner(builder), network, config);
}
inline void config_clear(void* config, Flag flag) {
  call<10, void, int32_t>(inner(config), static_cast<int32_t>(flag));
}
inline void config_set(void* config, Flag flag) { call<11, void, int32_t>(inner(config), static_cast<int32_t>(flag)); }
inline const void* memory_data(void* memory) { return call<2, void*>(inner(memory)); }
inline size_t memory_size(void* memory) { return call<3, size_t>(inner(memory)); }

// IParser and IParserError have their functions themselves.
inline bool parser_parse(void* parser, const void* bytes, size_t n) {
  return call<0, bool, const void*, size_t, const char*>(parser, bytes, n, nullptr);
}
inline int parser_errors(void* parser) { return call<5, int>(parser); }
inline void* parser_error(void* parser, int i) { return call<6, void*, int>(parser, i); }
inline const char* error_text(void* error) { return call<1, const char*>(error); }
inline int error_node(void* error) { return call<5, int>(error); }

// IRuntime, ICudaEngine, IExecutionContext
inline void* runtime_load(void* runtime, const void* bytes, size_t n) {
  return call<3, void*, const void*, size_t>(inner(runtime), bytes, n);
}
inline void* engine_context(void* engine) { return call<5, void*, int32_t>(inner(engine), 0); }
inline int32_t engine_type(void* engine, const char* name) {
  return call<20, int32_t, const char*>(inner(engine), name);
}
inline Place engine_place(void* engine, const char* name) {
  return static_cast<Place>(call<23, int32_t, const char*>(inner(engine), name));
}
inline int32_t engine_tensors(void* engine) { return call<30, int32_t>(inner(engine)); }
inline const char* engine_tensor(void* engine, int32_t i) { return call<31, const char*, int32_t>(inner(engine), i); }
inline bool context_set_shape(void* context, const char* name, const Dims* dims) {
  return call<21, bool, const char*, const Dims*>(inner(context), name, dims);
}
inline bool context_set_address(void* context, const char* name, void* data) {
  return call<24, bool, const char*, void*>(inner(context), name, data);
}
inline bool context_enqueue(void* context, void* stream) { return call<37, bool, void*>(inner(context), stream); }
/// What comes back in memory is given as a hidden first argument, before the object.
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
inline Dims
context_shape(void* context, const char* name) {
  void* const object = inner(context);
  void* const* table = *static_cast<void* const* const*>(object);
  return reinterpret_cast<Dims (*)(void*, const char*)>(table[22])(object, name);
}

enum class Copy : int { to_device = 1, to_host = 2 };

struct Functions {
  void* (*create_builder)(Logger*, int32_t version) = nullptr;
  void* (*create_runtime)(Logger*, int32_t version) = nullptr;
  int32_t (*version)() = nullptr;
  void* (*create_parser)(void* network, Logger*, int32_t version) = nullptr;
  int32_t (*parser_version)() = nullptr;
  // The CUDA runtime; 0 is success.
  int (*malloc)(void**, size_t) = nullptr;
  int (*free)(void*) = nullptr;
  int (*copy)(void* to, const void* from, size_t, Copy, void* stream) = nullptr;
  int (*create_stream)(void**) = nullptr;
  int (*destroy_stream)(void*) = nullptr;
  int (*wait)(void* stream) = nullptr;
  int (*device_count)(int*) = nullptr;
  const char* (*error_text)(int) = nullptr;
};

/// Opens the three libraries, below `folder` where they are, else where the system finds them. False: `reason` says why.
bool load_tensorrt(const std::string& folder, Functions& functions, std::string& version, std::string& reason);

/// ONNX's number of an element type of TensorRT's, and the other way; 0 and -1 where there is none.
int to_onnx(int32_t type);
int32_t from_onnx(int type);

}  // namespace chorus_tensorrt
