// In the place of libnvinfer.so.10, libnvonnxparser.so.10 and libcudart.so: the same entry points and tables of functions, on the host, for
// models of Add, Relu and MatMul of float32. Device memory has addresses that nobody but this library can read. What it does not know of
// a model is an error of its parser; the names of two operators stand for failures that come later.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// Outside of the unnamed namespace: who calls this library implements it, which the compiler must not rule out.
// Of the plug-in's name, since a checked build compares the types of functions that it calls.
namespace chorus_tensorrt {
enum class Copy : int;
struct Logger {
  virtual void log(int32_t severity, const char* message) noexcept = 0;
  virtual ~Logger() = default;
};
}  // namespace chorus_tensorrt
using chorus_tensorrt::Logger;

namespace {

struct Dims {
  int32_t rank = 0;
  int64_t extents[8] = {};
};

int living = 0;  // public objects that were made and not deleted

// ---- models, as much of ONNX's protobuf as is needed

struct Tensor {
  std::vector<int64_t> dims;
  std::vector<float> data;
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
};

struct Node {
  std::string op;
  std::vector<std::string> in, out;
};

struct Graph {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> constants;
  std::vector<std::pair<std::string, std::vector<int64_t>>> inputs, outputs;
};

// The fields of a message: number, value or bytes.
template <class F>
bool fields(std::string_view m, F&& take) {
  size_t at = 0;
  auto varint = [&](uint64_t& v) {
    v = 0;
    for (int shift = 0; shift < 64 && at < m.size(); shift += 7) {
      const auto b = static_cast<unsigned char>(m[at++]);
      v |= static_cast<uint64_t>(b & 127) << shift;
      if (b < 128) return true;
    }
    return false;
  };
  while (at < m.size()) {
    uint64_t tag = 0, value = 0;
    if (!varint(tag)) return false;
    std::string_view bytes;
    if ((tag & 7) == 0) {
      if (!varint(value)) return false;
    } else {
      uint64_t n = (tag & 7) == 5 ? 4 : 8;
      if ((tag & 7) == 2 && !varint(n)) return false;
      if (n > m.size() - at) return false;
      bytes = m.substr(at, n);
      at += n;
    }
    take(static_cast<int>(tag >> 3), value, bytes);
  }
  return true;
}

Tensor tensor_of(std::string_view m, std::string& name) {
  Tensor t;
  fields(m, [&](int field, uint64_t v, std::string_view b) {
    if (field == 1 && b.empty()) t.dims.push_back(static_cast<int64_t>(v));
    if (field == 1 && !b.empty()) {  // packed
      for (unsigned char c : b) t.dims.push_back(c);
    }
    if (field == 8) name = b;
    if (field == 9 || field == 4) {
      t.data.resize(b.size() / 4);
      std::memcpy(t.data.data(), b.data(), t.data.size() * 4);
    }
  });
  return t;
}

std::pair<std::string, std::vector<int64_t>> info_of(std::string_view m) {
  std::pair<std::string, std::vector<int64_t>> made;
  fields(m, [&](int field, uint64_t, std::string_view b) {
    if (field == 1) made.first = b;
    if (field != 2) return;
    fields(b, [&](int, uint64_t, std::string_view type) {
      fields(type, [&](int f, uint64_t, std::string_view shape) {
        if (f != 2) return;
        fields(shape, [&](int, uint64_t, std::string_view dim) {
          fields(dim, [&](int d, uint64_t v, std::string_view) {
            if (d == 1) made.second.push_back(static_cast<int64_t>(v));
          });
        });
      });
    });
  });
  return made;
}

Node node_of(std::string_view m) {
  Node n;
  fields(m, [&](int field, uint64_t, std::string_view b) {
    if (field == 1) n.in.emplace_back(b);
    if (field == 2) n.out.emplace_back(b);
    if (field == 4) n.op = b;
  });
  return n;
}

bool read_model(std::string_view bytes, Graph& g) {
  return fields(bytes, [&](int field, uint64_t, std::string_view graph) {
    if (field != 7) return;
    fields(graph, [&](int f, uint64_t, std::string_view b) {
      std::string name;
      if (f == 1) g.nodes.push_back(node_of(b));
      if (f == 5) {
        Tensor t = tensor_of(b, name);
        g.constants[name] = t;
      }
      if (f == 11) g.inputs.push_back(info_of(b));
      if (f == 12) g.outputs.push_back(info_of(b));
    });
  });
}

// ---- the interface: a public object holds an implementation; `unused` fills the places of functions that nobody calls

template <int n>
struct Unused : Unused<n - 1> {
  using Unused<n - 1>::unused;
  virtual void unused(std::integral_constant<int, n>) { std::abort(); }
};
template <>
struct Unused<0> {
  virtual ~Unused() = default;  // places 0 and 1
  void unused() {}
};

struct Public {
  void* inner = nullptr;
  void (*end)(void*) = nullptr;
  Public() { ++living; }
  virtual ~Public() {
    end(inner);
    --living;
  }
};

template <class T>
Public* shown(T* implementation) {
  auto* made = new Public;
  made->inner = implementation;
  made->end = [](void* one) { delete static_cast<T*>(one); };
  return made;
}

struct Memory : Unused<0> {
  std::string bytes;
  virtual const void* data() { return bytes.data(); }
  virtual size_t size() { return bytes.size(); }
};

struct Network {
  Graph graph;
  std::string bytes;
};

struct Config : Unused<8> {
  bool tf32 = true;
  virtual void clear(int32_t flag) { tf32 = tf32 && flag != 6; }  // 10
  virtual void set(int32_t) {}  // 11
};

struct Builder : Unused<5> {
  Logger* logger = nullptr;
  virtual void* config() { return shown(new Config); }  // 7
  virtual void* network(uint32_t) { return shown(new Network); }  // 8
  virtual void nine() {}
  virtual void ten() {}
  virtual void eleven() {}
  virtual void twelve() {}
  virtual void thirteen() {}
  virtual void* build(Public* network, Public* config) {  // 14
    const auto* own = static_cast<Network*>(static_cast<Public*>(network)->inner);
    for (const Node& n : own->graph.nodes) {
      if (n.op != "Neg") continue;
      logger->log(1, "no implementation of Neg was found");
      return nullptr;
    }
    if (static_cast<Config*>(config->inner)->tf32) {
      logger->log(1, "products would be rounded to ten bits");
      return nullptr;
    }
    auto* memory = new Memory;
    memory->bytes = "plan:" + own->bytes;
    return shown(memory);
  }
};

constexpr uintptr_t kDevice = uintptr_t{1} << 62;
void* host_of(void* device) { return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(device) ^ kDevice); }

struct Context : Unused<19> {  // its functions from place 21 on
  const Graph* graph = nullptr;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::map<std::string, void*> places;
  virtual bool set_shape(const char* name, const Dims* dims) {  // 21
    const std::vector<int64_t> given(dims->extents, dims->extents + dims->rank);
    for (const auto& [own, shape] : graph->inputs) {
      if (own == name) return shape == given;
    }
    return false;
  }
  virtual Dims shape(const char* name) {  // 22
    Dims dims;
    dims.rank = -1;
    for (const auto& [own, shape] : graph->outputs) {
      if (own != name) continue;
      dims.rank = static_cast<int32_t>(shape.size());
      for (size_t d = 0; d < shape.size(); ++d) dims.extents[d] = shape[d];
    }
    return dims;
  }
  virtual void twenty_three() {}
  virtual bool set_address(const char* name, void* place) {  // 24
    places[name] = place;
    return true;
  }
  virtual void p25() {}
  virtual void p26() {}
  virtual void p27() {}
  virtual void p28() {}
  virtual void p29() {}
  virtual void p30() {}
  virtual void p31() {}
  virtual void p32() {}
  virtual void p33() {}
  virtual void p34() {}
  virtual void p35() {}
  virtual void p36() {}
  virtual bool enqueue(void* stream);  // 37
};

Tensor computed(const Node& n, const Tensor& a, const Tensor& b) {
  Tensor y = a;
  if (n.op == "Relu") {
    for (float& v : y.data) v = v > 0 ? v : 0;
  } else if (n.op == "Add") {
    for (size_t i = 0; i < y.data.size(); ++i) y.data[i] += b.data[i % b.data.size()];
  } else {  // MatMul of matrices
    const int64_t m = a.dims[0], k = a.dims[1], w = b.dims[1];
    y.dims = {m, w};
    y.data.assign(static_cast<size_t>(m * w), 0);
    for (int64_t i = 0; i < m * w; ++i) {
      for (int64_t j = 0; j < k; ++j)
        y.data[static_cast<size_t>(i)] +=
            a.data[static_cast<size_t>(i / w * k + j)] * b.data[static_cast<size_t>(j * w + i % w)];
    }
  }
  return y;
}

bool Context::enqueue(void* stream) {
  if (stream == nullptr) return false;
  std::map<std::string, Tensor> values = graph->constants;
  for (const auto& [name, shape] : graph->inputs) {
    if (places.count(name) == 0) return false;
    Tensor& t = values[name];
    t.dims = shape;
    t.data.resize(static_cast<size_t>(t.size()));
    std::memcpy(t.data.data(), host_of(places[name]), t.data.size() * 4);
  }
  for (const Node& n : graph->nodes)
    values[n.out[0]] = computed(n, values[n.in[0]], n.in.size() > 1 ? values[n.in[1]] : Tensor());
  for (const auto& [name, shape] : graph->outputs) {
    if (places.count(name) == 0) return false;
    std::memcpy(host_of(places[name]), values[name].data.data(), values[name].data.size() * 4);
  }
  return true;
}

struct Engine : Unused<3> {  // its functions from place 5 on
  Graph graph;
  const char* name_at(size_t i) {
    return (i < graph.inputs.size() ? graph.inputs[i] : graph.outputs[i - graph.inputs.size()]).first.c_str();
  }
  virtual void* context(int32_t) {  // 5
    auto* made = new Context;
    made->graph = &graph;
    return shown(made);
  }
  virtual void p6() {}
  virtual void p7() {}
  virtual void p8() {}
  virtual void p9() {}
  virtual void p10() {}
  virtual void p11() {}
  virtual void p12() {}
  virtual void p13() {}
  virtual void p14() {}
  virtual void p15() {}
  virtual void p16() {}
  virtual void p17() {}
  virtual void p18() {}
  virtual void p19() {}
  virtual int32_t type(const char*) { return 0; }  // 20
  virtual void p21() {}
  virtual void p22() {}
  virtual int32_t place(const char* name) {  // 23
    for (const auto& [own, shape] : graph.inputs) {
      if (own == name) return 1;
    }
    for (const auto& [own, shape] : graph.outputs) {
      if (own == name) return 2;
    }
    return 0;
  }
  virtual void p24() {}
  virtual void p25() {}
  virtual void p26() {}
  virtual void p27() {}
  virtual void p28() {}
  virtual void p29() {}
  virtual int32_t tensors() { return static_cast<int32_t>(graph.inputs.size() + graph.outputs.size()); }  // 30
  virtual const char* tensor(int32_t i) { return name_at(static_cast<size_t>(i)); }  // 31
};

struct Runtime : Unused<1> {
  virtual void* load(const void* bytes, size_t n) {  // 3
    const std::string_view plan(static_cast<const char*>(bytes), n);
    if (plan.substr(0, 5) != "plan:") return nullptr;
    auto* made = new Engine;
    read_model(plan.substr(5), made->graph);
    return shown(made);
  }
};

struct ParserError final {
  std::string text;
  int at = -1;
  virtual int code() { return 8; }
  virtual const char* desc() { return text.c_str(); }
  virtual const char* file() { return ""; }
  virtual int line() { return 0; }
  virtual const char* func() { return ""; }
  virtual int node() { return at; }
};

struct Parser {
  Network* network = nullptr;
  std::vector<ParserError> errors;
  virtual bool parse(const void* bytes, size_t n, const char*) {  // 0
    network->bytes.assign(static_cast<const char*>(bytes), n);
    if (!read_model(network->bytes, network->graph)) {
      errors.emplace_back().text = "these bytes are no model";
      return false;
    }
    for (size_t i = 0; i < network->graph.nodes.size(); ++i) {
      const std::string& op = network->graph.nodes[i].op;
      if (op == "Add" || op == "Relu" || op == "MatMul" || op == "Neg") continue;
      ParserError& error = errors.emplace_back();
      error.text = "no importer is registered for " + op;
      error.at = static_cast<int>(i);
    }
    return errors.empty();
  }
  virtual void p1() {}
  virtual void p2() {}
  virtual void p3() {}
  virtual void p4() {}
  virtual int count() { return static_cast<int>(errors.size()); }  // 5
  virtual void* error(int i) { return &errors[static_cast<size_t>(i)]; }  // 6
  virtual void p7() {}
  Parser() { ++living; }
  virtual ~Parser() { --living; }  // 8 and 9
};

int failing() {
  const char* what = std::getenv("CHORUS_MOCK_CUDA_ERROR");
  return what == nullptr ? 0 : std::atoi(what);
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)
void* createInferBuilder_INTERNAL(Logger* logger, int32_t) {
  auto* made = new Builder;
  made->logger = logger;
  return shown(made);
}
void* createInferRuntime_INTERNAL(Logger*, int32_t) { return shown(new Runtime); }
int32_t getInferLibVersion() {
  const char* other = std::getenv("CHORUS_MOCK_TENSORRT_VERSION");
  return other == nullptr ? 101303 : std::atoi(other);
}
void* createNvOnnxParser_INTERNAL(void* network, Logger*, int32_t) {
  auto* made = new Parser;
  made->network = static_cast<Network*>(static_cast<Public*>(network)->inner);
  return made;
}
int32_t getNvOnnxParserVersion() { return 100; }
int cudaMalloc(void** to, size_t n) {
  *to = host_of(std::malloc(n));
  return 0;
}
int cudaFree(void* device) {
  std::free(host_of(device));
  return 0;
}
int cudaMemcpyAsync(void* to, const void* from, size_t n, chorus_tensorrt::Copy as, void*) {
  const int kind = static_cast<int>(as);
  if (kind == 1) to = host_of(to);
  if (kind == 2) from = host_of(const_cast<void*>(from));
  std::memcpy(to, from, n);
  return 0;
}
int cudaStreamCreate(void** stream) {
  *stream = std::malloc(1);
  return 0;
}
int cudaStreamDestroy(void* stream) {
  std::free(stream);
  return 0;
}
int cudaStreamSynchronize(void*) { return failing(); }
int cudaGetDeviceCount(int* n) {
  *n = std::getenv("CHORUS_MOCK_NO_DEVICE") == nullptr ? 1 : 0;
  return 0;
}
const char* cudaGetErrorString(int status) { return status == 700 ? "an illegal address" : "an error"; }
int chorus_mock_living() { return living; }
}
