#include "ffi.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace chorus_tvm {
namespace {

struct Bytes {
  const char* data;
  size_t size;
};

// Every object begins with two counts, the number of its type and its deleter; a string's and an error's text follow.
constexpr size_t kHeader = 24;

struct Version {
  uint32_t major, minor, patch;
};

struct Functions {
  int (*function_get_global)(const Bytes*, void**) = nullptr;
  int (*function_call)(void*, const Any*, int32_t, Any*) = nullptr;
  int (*object_inc_ref)(void*) = nullptr;
  int (*object_dec_ref)(void*) = nullptr;
  int (*string_from_byte_array)(const Bytes*, Any*) = nullptr;
  void (*error_move_from_raised)(void**) = nullptr;
  void (*get_version)(Version*) = nullptr;
};

struct Library {
  Functions f{};
  std::mutex mutex;
  std::map<std::string, void*, std::less<>> globals;
};

Library& library() {
  static Library* const one = new Library();   // never ended: values may outlive statics
  return *one;
}

template <class F>
bool find(void* handle, const char* name, F& to, std::string& reason) {
  to = reinterpret_cast<F>(::dlsym(handle, name));
  if (to == nullptr) reason = std::string("the library has no ") + name;
  return to != nullptr;
}

bool find_all(void* handle, Functions& f, std::string& reason) {
  return find(handle, "TVMFFIFunctionGetGlobal", f.function_get_global, reason) &&
         find(handle, "TVMFFIFunctionCall", f.function_call, reason) &&
         find(handle, "TVMFFIObjectIncRef", f.object_inc_ref, reason) &&
         find(handle, "TVMFFIObjectDecRef", f.object_dec_ref, reason) &&
         find(handle, "TVMFFIStringFromByteArray", f.string_from_byte_array, reason) &&
         find(handle, "TVMFFIErrorMoveFromRaised", f.error_move_from_raised, reason) &&
         find(handle, "TVMFFIGetVersion", f.get_version, reason);
}

Bytes text_at(const void* object, size_t index) {
  Bytes bytes{};
  std::memcpy(&bytes, static_cast<const char*>(object) + kHeader + index * sizeof(Bytes), sizeof bytes);
  return bytes;
}

[[noreturn]] void fail(std::string_view where) {
  void* error = nullptr;
  library().f.error_move_from_raised(&error);
  std::string said = "no reason given";
  if (error != nullptr) {
    const Bytes message = text_at(error, 1);
    said.assign(message.data, message.size);
    library().f.object_dec_ref(error);
  }
  said.resize(std::min(said.size(), said.find("\nStack trace")));
  for (char& c : said) c = c == '\n' ? ' ' : c;
  throw Failure(CH_INTERNAL, "TVM refuses (" + std::string(where) + "): " + said.substr(0, 300),
                "use another engine, such as native");
}

void* global(std::string_view name) {
  Library& lib = library();
  const std::lock_guard lock(lib.mutex);
  const auto known = lib.globals.find(name);
  if (known != lib.globals.end()) return known->second;
  void* function = nullptr;
  const Bytes bytes{name.data(), name.size()};
  if (lib.f.function_get_global(&bytes, &function) != 0 || function == nullptr)
    throw Failure(CH_UNAVAILABLE, "TVM has no function " + std::string(name), "./dev engines tvm");
  lib.globals.emplace(name, function);
  return function;
}

}  // namespace

Value::Value(std::string_view text) {
  const Bytes bytes{text.data(), text.size()};
  if (library().f.string_from_byte_array(&bytes, &any_) != 0) fail("a string");
}

Value::Value(const Value& other) : any_(other.any_) {
  if (any_.kind >= Any::kObjects) library().f.object_inc_ref(any_.object);
}

Value& Value::operator=(Value other) noexcept {
  std::swap(any_, other.any_);
  return *this;
}

Value::~Value() {
  if (any_.kind >= Any::kObjects) library().f.object_dec_ref(any_.object);
}

std::string Value::text() const {
  if (any_.kind == Any::small_string) return {any_.small, any_.length};
  if (any_.kind != Any::kString) return {};
  const Bytes bytes = text_at(any_.object, 0);
  return {bytes.data, bytes.size};
}

bool load_tvm(const std::string& folder, std::string& version, std::string& reason) {
  static std::mutex mutex;
  static void* opened = nullptr;
  const std::lock_guard lock(mutex);
  const char* named = std::getenv("CHORUS_TVM_LIBRARY");
  const bool own = named == nullptr || *named == 0;
  const std::string path = own ? folder + "/tvm/lib/libtvm_compiler.so" : named;
  if (opened == nullptr) {
    // The wheels have libtvm_ffi.so in another folder than where the compiler looks for it: it is found once it is loaded.
    if (own) ::dlopen((folder + "/tvm_ffi/lib/libtvm_ffi.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      reason = ::dlerror();
      return false;
    }
    if (!find_all(handle, library().f, reason)) return false;
    opened = handle;
  }
  Version ffi{};
  library().f.get_version(&ffi);
  if (ffi.major != 0 || ffi.minor != 1) {
    reason = "TVM's interface is of version " + std::to_string(ffi.major) + "." + std::to_string(ffi.minor) +
             "; 0.1 is needed";
    return false;
  }
  version = "0.27 (ffi 0.1." + std::to_string(ffi.patch) + ")";
  return true;
}

Value call(const Value& function, const Any* arguments, int32_t count) {
  Any result{};
  if (library().f.function_call(function.any().object, arguments, count, &result) != 0) fail("a compiled function");
  return Value(result);
}

Value call_list(std::string_view name, const std::vector<Value>& arguments) {
  std::vector<Any> plain;
  plain.reserve(arguments.size());
  for (const Value& v : arguments) plain.push_back(v.any());
  Any result{};
  if (library().f.function_call(global(name), plain.data(), static_cast<int32_t>(plain.size()), &result) != 0)
    fail(name);
  return Value(result);
}

Value call(std::string_view name, std::initializer_list<Value> arguments) {
  return call_list(name, std::vector<Value>(arguments));
}

Value array(const std::vector<Value>& items) { return call_list("ffi.Array", items); }

std::vector<Value> items_of(const Value& array) {
  const int64_t n = call("ffi.ArraySize", {array}).number();
  std::vector<Value> items;
  for (int64_t i = 0; i < n; ++i) items.push_back(call("ffi.ArrayGetItem", {array, i}));
  return items;
}

}  // namespace chorus_tvm
