// Which element types TensorFlow has kernels for, from its own list.
#include <map>
#include <mutex>

#include "table.h"

namespace chorus_tensorflow {
namespace {

// Reads the fields of one message of the wire format; ends at the first that is damaged.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  bool next() {
    uint64_t key = 0;
    if (rest_.empty() || !number(key)) return false;
    field = key >> 3;
    bytes = {};
    value = 0;
    if ((key & 7) == 0) return number(value);
    if ((key & 7) == 5 || (key & 7) == 1) return cut((key & 7) == 5 ? 4 : 8);
    uint64_t n = 0;
    return (key & 7) == 2 && number(n) && cut(n);
  }
  bool number(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      out |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return true;
    }
    return false;
  }
  bool more() const { return !rest_.empty(); }
  uint64_t field = 0, value = 0;
  std::string_view bytes;

 private:
  bool cut(uint64_t n) {
    if (n > rest_.size()) return false;
    bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }
  std::string_view rest_;
};

// KernelDef.AttrConstraint: name 1, allowed_values 2 (AttrValue: list 1, its types 6).
bool allowed(std::string_view constraint, std::string_view attribute, Types& types) {
  std::string_view name, values;
  for (Fields f(constraint); f.next();) (f.field == 1 ? name : values) = f.bytes;
  if (name != attribute) return false;
  for (Fields f(values); f.next();) {
    if (f.field != 1) continue;
    for (Fields list(f.bytes); list.next();) {
      if (list.field != 6) continue;
      if (list.bytes.empty()) types |= list.value < 64 ? Types{1} << list.value : 0;
      uint64_t type = 0;
      for (Fields packed(list.bytes); packed.more() && packed.number(type);) types |= type < 64 ? Types{1} << type : 0;
    }
  }
  return true;
}

// KernelList: kernel 1; KernelDef: op 1, device_type 2, constraint 3, label 5.
Types types_in(std::string_view list, std::string_view attribute) {
  Types all = 0;
  for (Fields kernels(list); kernels.next();) {
    std::string_view device, label;
    Types types = 0;
    bool constrained = false;
    for (Fields f(kernels.bytes); f.next();) {
      if (f.field == 2) device = f.bytes;
      if (f.field == 5) label = f.bytes;
      if (f.field == 3) constrained = allowed(f.bytes, attribute, types) || constrained;
    }
    if ((device == "CPU" || device == "DEFAULT") && label.empty()) all |= constrained ? types : ~Types{0};
  }
  return all;
}

Types types_of(std::string_view name) {
  const size_t colon = name.find(':');
  const std::string op(name.substr(0, colon));
  TfStatus* status = tf()->new_status();
  TfBuffer* list = tf()->registered_kernels(op.c_str(), status);
  tf()->delete_status(status);
  if (list == nullptr) return 0;
  const Types types = types_in({static_cast<const char*>(list->data), list->length},
                               colon == std::string_view::npos ? "T" : name.substr(colon + 1));
  tf()->delete_buffer(list);
  return types;
}

}  // namespace

Types kernel_types(std::string_view operators) {
  static std::mutex lock;
  static std::map<std::string, Types, std::less<>> known;   // one entry per text in the table
  std::lock_guard guard(lock);
  const auto found = known.find(operators);
  if (found != known.end()) return found->second;
  Types types = ~Types{0};
  for (std::string_view rest = operators; !rest.empty();) {
    const size_t comma = rest.find(',');
    Types any = 0;
    for (std::string_view one = rest.substr(0, comma); !one.empty();) {
      const size_t bar = one.find('|');
      any |= types_of(one.substr(0, bar));
      one = bar == std::string_view::npos ? std::string_view() : one.substr(bar + 1);
    }
    types &= any;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  known.emplace(std::string(operators), types);
  return types;
}

int wider(int type, Types kernels) {
  auto first = [&](std::initializer_list<int> list) {
    for (int t : list) {
      if ((kernels & type_bit(t)) != 0) return t;
    }
    return static_cast<int>(kNoType);
  };
  switch (type) {
    case kHalf:
    case kBfloat16: return first({kFloat, kDouble});
    case kFloat: return first({kDouble});
    case kInt8:
    case kUint8:
    case kInt16:
    case kUint16: return first({kInt32, kInt64, kFloat, kDouble});
    case kInt32:
    case kUint32: return first({kInt64});
    default: return kNoType;
  }
}

}  // namespace chorus_tensorflow
