#include <chorus/error.h>
#include <ops/op_def.h>
#include <ops/table.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace chorus {
namespace {

struct Domain {
  std::string_view name;
  int opset;
};
/// Newest opsets of the onnx package 1.23.2, and ours.
constexpr Domain kDomains[] = {
    {"", 28},     {"ai.onnx.ml", 5}, {"ai.onnx.preview", 1}, {"ai.onnx.preview.training", 1}, {"ai.onnx.training", 1},
    {"chorus", 1}};

std::string_view plain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

struct Key {
  std::string_view domain, name;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const noexcept {
    return std::hash<std::string_view>()(k.name) * 31 + std::hash<std::string_view>()(k.domain);
  }
};

/// Schemas of one row, each parsed by the first who asks; two who ask at once may both parse, one result is kept.
struct Schemas {
  explicit Schemas(std::span<const Version> of)
      : versions(of.data()), slots(new std::atomic<const Schema*>[of.size()]()) {}
  const Version* versions;
  std::unique_ptr<std::atomic<const Schema*>[]> slots;
};

/// An immutable state of the table; registering a row makes a new one, old ones stay for those who still read them.
struct Snapshot {
  std::vector<const OpDef*> rows;
  std::unordered_map<Key, const OpDef*, KeyHash> by_name;
  std::unordered_map<const OpDef*, std::shared_ptr<Schemas>> schemas;
  std::unordered_map<std::string_view, int> opsets;

  void add(const OpDef* def) {
    rows.push_back(def);
    by_name.emplace(Key{plain(def->domain), def->name}, def);
    schemas.emplace(def, std::make_shared<Schemas>(def->versions));
    int& newest = opsets[plain(def->domain)];
    newest = std::max(newest, def->newest_version());
  }
};

struct Table {
  std::atomic<const Snapshot*> current{nullptr};
  std::mutex lock;                                        // writers
  std::vector<std::unique_ptr<const Snapshot>> snapshots;
  std::unordered_map<const OpDef*, std::shared_ptr<Schemas>> outside;  // rows that are not in the table

  Table() {
    auto first = std::make_unique<Snapshot>();
    for (const Domain& d : kDomains) first->opsets[d.name] = d.opset;
    for (const OpDef* def : built_in_ops()) first->add(def);
    current = first.get();
    snapshots.push_back(std::move(first));
  }
};

/// Built at the first use and never destroyed: rows are read until the process ends.
Table& table() {
  static Table* const instance = new Table;
  return *instance;
}

Schemas& schemas_of(const OpDef& def) {
  Table& t = table();
  const Snapshot* now = t.current.load(std::memory_order_acquire);
  if (const auto it = now->schemas.find(&def); it != now->schemas.end()) return *it->second;
  std::lock_guard guard(t.lock);
  auto& entry = t.outside[&def];
  if (!entry || entry->versions != def.versions.data()) entry = std::make_shared<Schemas>(def.versions);
  return *entry;
}

std::string problem_of(const OpDef& def) {
  if (def.name.empty()) return "it has no name";
  if (def.versions.empty()) return "it has no versions";
  if (def.infer == nullptr) return "it has no shape rule";
  if (def.cost == nullptr) return "it has no cost";
  if (def.doc.empty()) return "it has no documentation";
  if (def.api.cpp.empty()) return "it has no API name";
  if (const auto* p = std::get_if<Primitive>(&def.meaning); p != nullptr && p->reason.empty()) {
    return "it has neither a decomposition nor a reason for having none";
  }
  for (size_t i = 1; i < def.versions.size(); ++i) {
    if (def.versions[i].since <= def.versions[i - 1].since) return "its versions are not in ascending order";
  }
  return {};
}

}  // namespace

const Schema& OpDef::schema(int index) const {
  if (index < 0 || index >= static_cast<int>(versions.size())) {
    throw Error(Code::internal,
                fmt::format("{}: there is no version number {} (it has {})", name, index, versions.size()));
  }
  auto& slot = schemas_of(*this).slots[static_cast<size_t>(index)];
  if (const Schema* ready = slot.load(std::memory_order_acquire)) return *ready;
  const Version& v = versions[static_cast<size_t>(index)];
  auto fresh = std::make_unique<const Schema>(parse_schema(v.since, v.signature));
  const Schema* expected = nullptr;
  return slot.compare_exchange_strong(expected, fresh.get()) ? *fresh.release() : *expected;
}

int OpDef::version_index(int opset) const noexcept {
  int found = -1;
  for (size_t i = 0; i < versions.size() && versions[i].since <= opset; ++i) found = static_cast<int>(i);
  return found;
}

std::span<const OpDef* const> all_ops() { return table().current.load(std::memory_order_acquire)->rows; }

const OpDef* find_op(std::string_view domain, std::string_view name) {
  const Snapshot* now = table().current.load(std::memory_order_acquire);
  const auto it = now->by_name.find(Key{plain(domain), name});
  return it == now->by_name.end() ? nullptr : it->second;
}

void register_op(const OpDef& def) {
  const std::string label =
      fmt::format("register_op: {}.{}", plain(def.domain).empty() ? "ai.onnx" : def.domain, def.name);
  if (const std::string problem = problem_of(def); !problem.empty()) {
    throw Error(Code::bad_input, label + ": " + problem, {}, "complete the row, see docs/how_to_add_an_operator.md");
  }
  for (const Version& v : def.versions) {
    try {
      parse_schema(v.since, v.signature);
    } catch (const Error& e) {
      throw Error(Code::bad_input, label + ": " + e.message(), {}, "the grammar of signatures is in ops/schema.h");
    }
  }
  Table& t = table();
  std::lock_guard guard(t.lock);
  const Snapshot* now = t.current.load(std::memory_order_acquire);
  if (now->by_name.contains(Key{plain(def.domain), def.name})) {
    throw Error(Code::already_exists, label + ": there is such an operator already", {},
                "choose another name or domain");
  }
  auto next = std::make_unique<Snapshot>(*now);
  next->add(&def);
  t.current.store(next.get(), std::memory_order_release);
  t.snapshots.push_back(std::move(next));
}

int newest_opset(std::string_view domain) {
  const Snapshot* now = table().current.load(std::memory_order_acquire);
  const auto it = now->opsets.find(plain(domain));
  return it == now->opsets.end() ? 0 : it->second;
}

}  // namespace chorus
