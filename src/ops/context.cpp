#include <ops/context.h>

namespace chorus {

const AttrValue* AttrReader::find(std::string_view name) const noexcept {
  if (const AttrValue* given = attributes_->find(name)) return given;
  const Attr* attr = schema_->attribute(name);
  return attr != nullptr && attr->fallback.kind() != AttrKind::undefined ? &attr->fallback : nullptr;
}

int64_t AttrReader::integer(std::string_view name, int64_t otherwise) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<int64_t>() : nullptr;
  return v ? *v : otherwise;
}

float AttrReader::real(std::string_view name, float otherwise) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<float>() : nullptr;
  return v ? *v : otherwise;
}

std::string_view AttrReader::string(std::string_view name, std::string_view otherwise) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<std::string>() : nullptr;
  return v ? std::string_view(*v) : otherwise;
}

std::span<const int64_t> AttrReader::integers(std::string_view name) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<std::vector<int64_t>>() : nullptr;
  return v ? std::span<const int64_t>(*v) : std::span<const int64_t>();
}

std::span<const float> AttrReader::reals(std::string_view name) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<std::vector<float>>() : nullptr;
  return v ? std::span<const float>(*v) : std::span<const float>();
}

std::span<const std::string> AttrReader::strings(std::string_view name) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<std::vector<std::string>>() : nullptr;
  return v ? std::span<const std::string>(*v) : std::span<const std::string>();
}

const Value* AttrReader::tensor(std::string_view name) const noexcept {
  const AttrValue* a = find(name);
  return a ? a->get<Value>() : nullptr;
}

GraphPtr AttrReader::graph(std::string_view name) const noexcept {
  const AttrValue* a = find(name);
  const auto* v = a ? a->get<GraphPtr>() : nullptr;
  return v ? *v : nullptr;
}

double CostContext::count(bool output, int i) const {
  if (dtype(output, i) == DType::undefined) return 0;
  double n = 1;
  for (const int64_t d : dims(output, i)) n *= static_cast<double>(d);
  return n;
}

}  // namespace chorus
