#include <engine/native/exec/stored.h>

#include <graph/hollow.h>
#include <graph/image.h>
#include <graph/infer.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace chorus::native {
namespace {

constexpr char kMagic[8] = {'C', 'H', 'O', 'R', 'U', 'S', 'P', '\n'};
constexpr uint64_t kPage = 4096, kLine = 64;

struct Header {
  char magic[8];
  uint64_t packs = 0;                        // how many
  uint64_t names_bytes = 0;
  uint64_t image_at = 0, image_bytes = 0;
};
struct Entry {
  uint64_t at = 0, bytes = 0, name_bytes = 0;
};

constexpr uint64_t aligned(uint64_t at, uint64_t to) noexcept { return (at + to - 1) / to * to; }

[[noreturn]] void fail(const char* what) {
  throw Error(Code::bad_input, std::string("stored program: ") + what, {}, "compile the model anew");
}

/// Counts what passes, and fills with zeros up to a place.
class Writer {
 public:
  explicit Writer(FunctionRef<void(std::span<const std::byte>)> sink) : sink_(sink) {}
  void write(const void* data, uint64_t bytes) {
    if (bytes > 0) sink_({static_cast<const std::byte*>(data), bytes});
    at_ += bytes;
  }
  void fill_to(uint64_t place) {
    static constexpr std::byte kZeros[kPage] = {};
    while (at_ < place) write(kZeros, std::min<uint64_t>(kPage, place - at_));
  }

 private:
  FunctionRef<void(std::span<const std::byte>)> sink_;
  uint64_t at_ = 0;
};

template <class T>
T read(std::string_view bytes, uint64_t at) {
  T value;
  if (at > bytes.size() || bytes.size() - at < sizeof value) fail("it ends too early");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view part(std::string_view bytes, uint64_t at, uint64_t length) {
  if (at > bytes.size() || length > bytes.size() - at) fail("a part lies outside");
  return bytes.substr(at, length);
}

/// Nodes of newest versions only, in bodies too, and (outside them) types for all that they make: as a compile leaves a graph.
void check_compiled(const Graph& graph, bool types) {
  for (NodeId id = 0; id < graph.node_capacity(); ++id) {
    const Node& n = graph.node(id);
    if (!n.alive) continue;
    if (n.op == nullptr || n.version + 1 != static_cast<int>(n.op->versions.size()))
      fail("an operator is not of its newest version");
    for (const ValueId out : n.outputs) {
      if (types && out != kNone && graph.value(out).type.kind == ValueKind::none) fail("a value has no type");
    }
    for (const auto& item : n.attributes.items()) {
      if (const GraphPtr* body = item.value.get<GraphPtr>()) check_compiled(**body, false);
    }
  }
}

}  // namespace

void save_program(const NativeProgram& program, FunctionRef<void(std::span<const std::byte>)> sink) {
  Model model;
  model.graph = program.plan().graph;
  Header header;
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::vector<Entry> entries;
  for (const Pack& pack : program.packs().taken()) {
    entries.push_back({0, pack.bytes.bytes(), pack.name.size()});
    header.names_bytes += pack.name.size();
  }
  header.packs = entries.size();
  header.image_at = aligned(sizeof header + entries.size() * sizeof(Entry) + header.names_bytes, kPage);
  save_image(model, [&](std::span<const std::byte> bytes) { header.image_bytes += bytes.size(); });
  uint64_t at = header.image_at + header.image_bytes;
  for (Entry& e : entries) {
    e.at = aligned(at, e.bytes >= kPage ? kPage : kLine);
    at = e.at + e.bytes;
  }
  Writer out(sink);
  out.write(&header, sizeof header);
  out.write(entries.data(), entries.size() * sizeof(Entry));
  for (const Pack& pack : program.packs().taken()) out.write(pack.name.data(), pack.name.size());
  out.fill_to(header.image_at);
  save_image(model, [&](std::span<const std::byte> bytes) { out.write(bytes.data(), bytes.size()); });
  for (size_t i = 0; i < entries.size(); ++i) {
    out.fill_to(entries[i].at);
    out.write(program.packs().taken()[i].bytes.data(), entries[i].bytes);
  }
  out.fill_to(at + kLine);  // kernels may read a little behind a pack
}

std::shared_ptr<Program> load_program(std::string_view bytes, std::shared_ptr<const void> owner,
                                      const CompileOptions& options) {
  const auto header = read<Header>(bytes, 0);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) fail("it does not begin as one does");
  if (header.packs > bytes.size() / sizeof(Entry)) fail("it has more packs than bytes");
  uint64_t name_at = sizeof header + header.packs * sizeof(Entry);
  std::vector<Pack> packs;
  for (uint64_t i = 0; i < header.packs; ++i) {
    const auto entry = read<Entry>(bytes, sizeof header + i * sizeof(Entry));
    const std::string_view name = part(bytes, name_at, entry.name_bytes), data = part(bytes, entry.at, entry.bytes);
    if (entry.at % kLine != 0 || bytes.size() - entry.at - entry.bytes < kLine) fail("a pack is not aligned");
    name_at += entry.name_bytes;
    packs.push_back({std::string(name), Buffer::borrow_read_only(data.data(), data.size(), owner)});
  }
  ImageLimits limits;
  limits.hollow = HollowTensors::allow;
  limits.inferred = Inferred::believe;
  const Model model = load_image(part(bytes, header.image_at, header.image_bytes), owner, limits);
  check_compiled(*model.graph, true);
  auto own = std::make_unique<Graph>(*model.graph);
  // Kernels are chosen by the types that the file states: they must be such as the rules allow. This takes a few milliseconds at most.
  infer_types(*own);
  auto program = std::make_shared<NativeProgram>(std::move(own), options, Packs(std::move(packs)));
  const Graph& graph = *program->plan().graph;
  const std::vector<ValueId> released = program->packs().released(graph);
  for (ValueId id = 0; id < graph.value_capacity(); ++id) {
    const GraphValue& v = graph.value(id);
    if (v.alive && is_hollow(v.constant) && std::find(released.begin(), released.end(), id) == released.end())
      fail("a constant has no elements");
  }
  return program;
}

}  // namespace chorus::native
