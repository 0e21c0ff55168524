#include <format/onnx/details.h>
#include <format/protobuf/wire.h>

#include <algorithm>
#include <tuple>

namespace chorus::onnx {
namespace {

auto order(const Detail& d) { return std::make_tuple(d.kind, d.key, d.index); }

}  // namespace

void add_detail(std::string& raw_fields, const Detail& detail) {
  wire::Writer record;
  record.integer(1, static_cast<int64_t>(detail.kind));
  record.bytes(2, detail.key);
  record.integer(3, detail.index);
  record.bytes(4, detail.bytes);
  wire::Writer outer;
  outer.message(kDetailField, record);
  raw_fields += outer.str();
}

Details::Details(std::string_view raw_fields) {
  wire::Reader reader(raw_fields, raw_fields.data());
  wire::Field field;
  while (reader.next(field)) {
    if (field.number != kDetailField) {
      rest_.append(field.raw);
      continue;
    }
    Detail detail;
    wire::Reader inner(wire::text(field, reader, "detail"), raw_fields.data());
    wire::Field part;
    while (inner.next(part)) {
      if (part.number == 1) detail.kind = static_cast<DetailKind>(part.value);
      if (part.number == 2) detail.key = part.bytes;
      if (part.number == 3) detail.index = part.as_int();
      if (part.number == 4) detail.bytes = part.bytes;
    }
    sorted_.push_back(detail);
  }
  std::ranges::stable_sort(sorted_, {}, order);
}

const std::string_view* Details::find(DetailKind kind, std::string_view key, int64_t index) const {
  const auto at = std::ranges::lower_bound(sorted_, std::make_tuple(kind, key, index), {}, order);
  if (at == sorted_.end() || order(*at) != std::make_tuple(kind, key, index)) return nullptr;
  return &at->bytes;
}

}  // namespace chorus::onnx
